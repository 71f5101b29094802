"""A load run: the questions of a file sent at their moments by processes of their own, and what came of them.

Open loop: a question is sent when it is due, whether or not others are answered; only its own session's turn before it
must have ended, for a second question would interrupt the first. Latency counts from the intended moment all the same.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from parlance import clock, load_lag
from parlance.errors import Internal, ParlanceError
from parlance.load_job import Job, Planned, Row
from parlance.load_machine import watch
from parlance.load_result import Result
from parlance.v1.replay_pb2 import ReplayTurn

# From the moment when every process is ready to the first intended one.
_LEAD_S = 0.5
_READY_S = 30.0
# After "stop" a process waits 5 s for what is open.
_STOP_S = 10.0
_LINE_MAX = 64 * 1024 * 1024
_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """`speed`: 1 is as recorded; None: each session as fast as its answers come."""

    address: str
    run: str
    speed: float | None
    processes: int
    sound: bool = False
    # Kafka's address, where its lag is to be noted.
    bus: str = ""


class Run:
    """`tell` is called twice a second, with what has been measured so far."""

    def __init__(self, plan: Plan, result: Result, tell: Callable[[Result], None]) -> None:
        self._plan, self._result, self._tell = plan, result, tell
        self._base_s = result.took_s
        self._start = 0.0
        self._stopped = False
        self._workers: list[asyncio.subprocess.Process] = []
        self._fatal: ParlanceError | None = None

    async def go(self, turns: Sequence[ReplayTurn]) -> None:
        """Sends what the result has no rows of. Raises ParlanceError where that cannot be done."""
        jobs = self._jobs(turns)
        self._result.stretches += 1
        try:
            async with asyncio.TaskGroup() as group:
                self._workers = [await _spawn(job) for job in jobs]
                await asyncio.gather(*(self._ready(worker) for worker in self._workers))
                self._start = time.monotonic() + _LEAD_S
                self._result.began.append([clock.now_us() + _LEAD_S * 1e6, self._base_s])
                beside = [group.create_task(w) for w in self._beside()]
                await asyncio.gather(*(self._work(worker) for worker in self._workers))
                for task in beside:
                    task.cancel()
        finally:
            self._end()
        self._result.rows.sort(key=lambda row: row.due)
        if self._fatal is not None:
            raise self._fatal

    def _beside(self) -> Sequence[Coroutine[Any, Any, None]]:
        zero, result = self._start - self._base_s, self._result
        return watch(zero, result.machine), load_lag.watch(self._plan.bus, zero, result.lag), self._telling()

    def stop(self) -> None:
        """Sends no more; what is open has 5 s to end."""
        self._stopped = True
        for worker in self._workers:
            if worker.stdin is not None and self._start:
                worker.stdin.write(b"stop\n")

    def _jobs(self, turns: Sequence[ReplayTurn]) -> list[Job]:
        done = {row.n for row in self._result.rows}
        left = [(n, turn) for n, turn in enumerate(turns) if n not in done]
        first_us = left[0][1].at_us if left else 0
        sessions: dict[str, list[Planned]] = {}
        for n, turn in left:
            sessions.setdefault(turn.session, []).append(self._planned(n, turn, first_us))
        plan = self._plan
        return [Job(plan.address, plan.run, plan.sound, share) for share in _shares(sessions, plan.processes)]

    def _planned(self, n: int, turn: ReplayTurn, first_us: int) -> Planned:
        speed, stretch = self._plan.speed, self._result.stretches
        due = None if speed is None else (turn.at_us - first_us) / speed / 1e6
        cut = turn.interrupt_after_us / (speed or 1) / 1e6
        return Planned(n, due, turn.text, cut, f"{n}/{stretch}", turn.as_of_us, turn.person)

    async def _ready(self, worker: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                told = await _line(worker)
        except TimeoutError:
            told = {}
        if "ready" not in told:
            raise Internal("a load process did not start; PARLANCE_LOG=debug shows more of it")

    async def _work(self, worker: asyncio.subprocess.Process) -> None:
        """Takes what a process measures, to its end."""
        assert worker.stdin is not None
        worker.stdin.write(json.dumps({"start": self._start}).encode() + b"\n")
        if self._stopped:
            worker.stdin.write(b"stop\n")
        while told := await _line(worker):
            self._result.rows += [_later(Row(*row), self._base_s * 1000) for row in told.get("rows", ())]
            self._result.sender_cpu_s += told.get("cpu_s", 0.0)
            if "fatal" in told:
                self._fatal = Internal(told["fatal"])
                self.stop()
        self._took()
        if code := await worker.wait():
            self._fatal = self._fatal or Internal(
                f"a load process ended with exit code {code}; run the rest with --resume"
            )

    async def _telling(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self._took()
            self._tell(self._result)

    def _took(self) -> None:
        self._result.took_s = self._base_s + max(0.0, time.monotonic() - self._start)

    def _end(self) -> None:
        for worker in self._workers:
            if worker.returncode is None:
                with suppress(ProcessLookupError):
                    worker.kill()


def _shares(sessions: dict[str, list[Planned]], processes: int) -> list[dict[str, list[Planned]]]:
    """The sessions, whole, so that all processes have much the same to send; fewer of them where there are few."""
    shares: list[dict[str, list[Planned]]] = [{} for _ in range(min(processes, len(sessions)))]
    sizes = [0] * len(shares)
    for name in sorted(sessions, key=lambda s: len(sessions[s]), reverse=True):
        least = sizes.index(min(sizes))
        shares[least][name] = sessions[name]
        sizes[least] += len(sessions[name])
    return shares


def _later(row: Row, ms: float) -> Row:
    """The row of a run that was resumed, on the time of the whole run."""
    if not ms:
        return row
    n, *times, outcome, error = row
    return Row._make((n, *(None if t is None else round(t + ms, 3) for t in times), outcome, error))


async def _spawn(job: Job) -> asyncio.subprocess.Process:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parlance.load_worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_MAX,
        # Ctrl-C is for us: we say when to stop.
        start_new_session=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(job.as_json()).encode() + b"\n")
    with suppress(ConnectionError):
        await worker.stdin.drain()
    return worker


async def _line(worker: asyncio.subprocess.Process) -> dict[str, Any]:
    """What a process tells next; {} at its end."""
    assert worker.stdout is not None
    line = await worker.stdout.readline()
    found: dict[str, Any] = json.loads(line) if line else {}
    return found
