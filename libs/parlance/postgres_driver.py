"""Where PostgreSQL's writer runs: in a thread of its own, woken once for all that the loop has asked for in one go."""

import asyncio
import contextlib
import queue
import threading
from collections import deque

from parlance.postgres_address import HELD_S, SILENT_S, SOON_S
from parlance.postgres_commit import Outcomes
from parlance.postgres_cut import cut
from parlance.postgres_jobs import Job
from parlance.postgres_writer import Writer

_LOOK_S = 1.0


class Driver:
    """`put` and `close` are called on the loop; outcomes are told there."""

    def __init__(self, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self._jobs: deque[Job] = deque()
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._awake = False
        self._closing = False
        self._busy_since: float | None = None
        self._watch = loop.call_later(_LOOK_S, self._look)
        self._thread = threading.Thread(target=self._main, name="postgres-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._jobs) + len(self._writer.held)

    def put(self, job: Job) -> None:
        self._jobs.append(job)
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._signal.put, None)

    def silent_s(self) -> float:
        """How long the database has not answered, seconds; 0 while it answers in time."""
        since = self._busy_since
        seconds = self._loop.time() - since if since is not None else 0.0
        return seconds if seconds >= SILENT_S else 0.0

    async def close(self) -> None:
        """Does what is queued as far as the database lets it, then ends."""
        self._closing = True
        self._signal.put(None)
        until = self._loop.time() + HELD_S / 10
        while self._thread.is_alive():
            if self._loop.time() > until:
                cut(self._writer.connection)
            await asyncio.sleep(0.005)
        self._watch.cancel()

    def _look(self) -> None:
        """A server that is frozen answers nothing and closes nothing: after the time that anything may wait it is as
        good as cut off."""
        self._watch = self._loop.call_later(_LOOK_S, self._look)
        if self.silent_s() > HELD_S:
            cut(self._writer.connection)

    def _main(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                self._signal.get(timeout=SOON_S if self._writer.held else None)
            # Before the queue is looked at: whoever asks from here on wakes it again.
            self._awake = False
            self._step()
            if self._closing and not self._jobs:
                self._writer.close()
                return

    def _step(self) -> None:
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        if not jobs and not self._writer.held:
            return
        self._busy_since = now = self._loop.time()
        outcomes = self._writer.step(jobs, now)
        self._busy_since = None
        if outcomes:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(_tell, outcomes)


def _tell(outcomes: Outcomes) -> None:
    for done, value in outcomes:
        done(value)
