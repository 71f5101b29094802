"""Turns of every kind, at a steady pace, through the platform's own pieces: nothing lost, nothing doubled, memory flat.

python -m benchmarks.soak [--turns N] [--per-second N]

Chat, timers, lists, sums, contacts, interruptions and failing answers, from eight devices with a session each. What
came of each turn is read back from the log. A process fills what it keeps within bounds (answers of the last 35 s, the
newest 20,000 event ids of a stage, 16 MB of the journal's pages), so memory is judged from the 6,000th turn on,
each time after a garbage collection.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.kinds import KINDS, SCRIPT, TIDYING, Kind, Verdict
from benchmarks.process import resident_mb
from benchmarks.report import p50, p99
from benchmarks.stack import Pieces, Setup, built, running
from benchmarks.typing_device import Asked, TypingDevice
from parlance.rpc import Call, one
from parlance.v1.context_service_pb2 import ContextImportRequest
from parlance.v1.gateway_service_pb2 import ImportRequest
from parlance.v1.turn_pb2 import Header

DEVICES = 8
BLOCK = 100
CONTACTS = Path(__file__).parents[1] / "examples/contacts.vcf"
# After so many nothing that has a bound grows any more: a stage sees four to five events a turn.
SETTLED = 6000
FLAT_KB_A_TURN = 2.0


@dataclass(slots=True)
class Soak:
    verdict: Verdict = field(default_factory=Verdict)
    first_ms: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    # (seconds since the start, turns so far, resident MB)
    memory: list[tuple[float, int, float]] = field(default_factory=list)


class Run:
    def __init__(self, pieces: Pieces, devices: list[TypingDevice], per_second: float) -> None:
        self._pieces, self._devices, self._per_second = pieces, devices, per_second
        self._began = time.monotonic()
        self.soak = Soak()

    async def turns(self, count: int) -> Soak:
        for start in range(0, count, BLOCK):
            block = range(start, min(count, start + BLOCK))
            await self._block(block)
            gc.collect()
            took = time.monotonic() - self._began
            self.soak.memory.append((took, block.stop, resident_mb()))
        return self.soak

    async def _block(self, numbers: range) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._some(device, numbers[n::DEVICES])) for n, device in enumerate(self._devices)
            ]
        done = [pair for task in tasks for pair in task.result()]
        kept, left = await self._pieces.store.query(_rows_kept), [kind.name for _, kind in done]
        for name in ("list", "timer"):
            self.soak.verdict.count(f"rows of {name} turns", kept.get(name, 0), left.count(name))
        for kind in TIDYING:
            done.append((await self._devices[0].ask(kind.text), kind))
        self.soak.verdict.count("rows after tidying", sum((await self._pieces.store.query(_rows_kept)).values()), 0)
        await self._pieces.bus.flush()
        for asked, kind in done:
            self.soak.verdict.judge(asked, kind, await self._pieces.history.past(asked.turn_id))
            self.soak.counts[kind.name] = self.soak.counts.get(kind.name, 0) + 1
            if asked.first_audio_at:
                self.soak.first_ms.setdefault(kind.name, []).append(asked.first_audio_ms)

    async def _some(self, device: TypingDevice, numbers: range) -> list[tuple[Asked, Kind]]:
        done = []
        for n in numbers:
            await asyncio.sleep(max(0.0, self._began + n / self._per_second - time.monotonic()))
            kind = KINDS[n % len(KINDS)]
            asked = await device.ask(kind.text.format(n=n), interrupt_after=1 if kind.interrupted else 0)
            done.append((asked, kind))
        return done


async def measure(turns: int, per_second: float) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        setup = Setup(script=SCRIPT, intent="patterns:")
        pieces = await stack.enter_async_context(built(home, setup))
        await stack.enter_async_context(running(pieces))
        await _know_contacts(pieces)
        devices = [TypingDevice(pieces.gateway, f"session-{n}") for n in range(DEVICES)]
        for device in devices:
            await stack.enter_async_context(device)
        soak = await Run(pieces, devices, per_second).turns(turns)
    return _numbers(soak)


async def _know_contacts(pieces: Pieces) -> None:
    request = {"import": ImportRequest(kind="contacts", content=CONTACTS.read_bytes(), source="contacts.vcf")}
    call = Call("", Header(user_id="owner"))
    await one(pieces.carrier.ask("Context.Import", ContextImportRequest(**request), call))


def _rows_kept(db: Any) -> dict[str, int]:
    """What the acts have left in the store."""
    return dict(db.execute("SELECT kind, count(*) FROM actions_row GROUP BY kind"))


def _numbers(soak: Soak) -> dict[str, Any]:
    verdict = soak.verdict
    return {
        "turns": sum(soak.counts.values()),
        "kinds": soak.counts,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "wrong": verdict.wrong,
        "why": verdict.why,
        "first_audio_p50_ms": {name: p50(values) for name, values in soak.first_ms.items()},
        "first_audio_p99_ms": {name: p99(values) for name, values in soak.first_ms.items()},
        "memory_mb": [mb for _, _, mb in soak.memory],
        "memory_kb_a_turn": _slope([(n, mb * 1024) for _, n, mb in soak.memory if n > SETTLED]),
    }


def _slope(points: list[tuple[int, float]]) -> float | None:
    """Of the straight line nearest to the points (least squares); None for fewer than three."""
    if len(points) < 3:
        return None
    return linear_regression(*zip(*points, strict=True)).slope


def show(told: dict[str, Any]) -> None:
    rows = [[name, n, told["first_audio_p50_ms"].get(name, "-")] for name, n in told["kinds"].items()]
    report.table(f"{told['turns']:,} turns of mixed kinds", ("", "turns", "first audio p50, ms"), rows)
    slope, memory = told["memory_kb_a_turn"], told["memory_mb"]
    checks: list[list[object]] = [
        [what, told[what], 0, report.verdict(told[what], 0)] for what in ("lost", "doubled", "wrong")
    ]
    if slope is None:
        checks.append(["memory, KB a turn", "too short", f"<= {FLAT_KB_A_TURN}", "-"])
    else:
        checks.append(["memory, KB a turn", slope, f"<= {FLAT_KB_A_TURN}", report.verdict(slope, FLAT_KB_A_TURN)])
    report.table(f"Resident {memory[0]:.0f} to {memory[-1]:.0f} MB", ("", "measured", "goal", ""), checks)
    if told["why"]:
        print(f"\nfirst finding: {told['why']}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--turns", type=int, default=8000)
    arguments.add_argument("--per-second", type=float, default=80)
    given = arguments.parse_args()
    told = uvloop.run(measure(given.turns, given.per_second))
    show(told)
    report.save("soak", told)


if __name__ == "__main__":
    main()
