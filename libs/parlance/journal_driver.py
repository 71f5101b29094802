"""Where the journal's writer runs: in a thread of its own, or (in a simulation) on the loop.

Both take jobs in call order and give batches back on the loop, each with one wake-up.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from parlance.journal_log import Batch, Job
from parlance.journal_writer import RETRY_S, Writer

BATCH_LIMIT = 512
LAZY_S = 0.02
POLL_S = 0.1

Post = Callable[[Batch], None]


class Driver(Protocol):
    watching: bool
    """Others' appends are looked for."""

    def put(self, job: Job) -> None: ...

    def put_lazy(self, job: Job) -> None:
        """The same order, but it may wait up to 20 ms for company."""

    def close(self) -> None:
        """Does what is queued, then ends. Blocks; not to be called on the loop where there is a thread."""

    def abort(self) -> None:
        """Ends now, as a kill would: what is queued is lost."""


class ThreadDriver:
    """The writer in a thread. `post` is called on the loop, once a batch."""

    def __init__(self, writer: Writer, loop: asyncio.AbstractEventLoop, post: Post) -> None:
        self.watching = False
        self._writer = writer
        self._loop = loop
        self._post = post
        self._jobs: deque[Job] = deque()
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._awake = False
        self._lazy: asyncio.TimerHandle | None = None
        self._closing = False
        self._aborted = False
        self._thread = threading.Thread(target=self._main, name="journal-writer", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        self._jobs.append(job)
        if not self._awake:
            # Once the loop has done what it has at hand: earlier, the two would only fight for the interpreter.
            self._awake = True
            self._loop.call_soon(self._signal.put, None)

    def put_lazy(self, job: Job) -> None:
        self._jobs.append(job)
        if self._lazy is None:
            self._lazy = self._loop.call_later(LAZY_S, self._wake_lazily)

    def close(self) -> None:
        self._closing = True
        self._wake()
        self._thread.join()

    def abort(self) -> None:
        self._aborted = True
        self.close()

    def _wake(self) -> None:
        self._awake = True
        self._signal.put(None)

    def _wake_lazily(self) -> None:
        self._lazy = None
        self._wake()

    def _main(self) -> None:
        while True:
            try:
                self._signal.get(timeout=self._patience())
            except queue.Empty:
                self._idle()
            # Before the queue is looked at: whoever appends from here on wakes it again.
            self._awake = False
            while self._jobs and not self._aborted:
                jobs = self._take()
                self._tell(self._writer.step(jobs, time.monotonic()))
            if self._closing:
                if self._writer.held and not self._aborted:
                    self._writer.step([], float("inf"))
                return

    def _patience(self) -> float | None:
        if self._writer.failed:
            return RETRY_S
        return POLL_S if self.watching else None

    def _idle(self) -> None:
        if self._writer.failed:
            self._tell(self._writer.step([], time.monotonic()))
        elif self.watching:
            self._tell(self._writer.poll())

    def _take(self) -> list[Job]:
        jobs = self._jobs
        return [jobs.popleft() for _ in range(min(len(jobs), BATCH_LIMIT))]

    def _tell(self, batch: Batch) -> None:
        if batch:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(self._post, batch)


class InlineDriver:
    """The writer on the loop: no thread, no timer but for lazy jobs and a full disk. Deterministic."""

    def __init__(self, writer: Writer, loop: asyncio.AbstractEventLoop, post: Post) -> None:
        self.watching = False
        self._writer = writer
        self._loop = loop
        self._post = post
        self._jobs: list[Job] = []
        self._due: asyncio.Handle | None = None
        self._late: asyncio.Handle | None = None
        self._closed = False
        self._aborted = False

    def put(self, job: Job) -> None:
        self._jobs.append(job)
        if self._due is None:
            self._due = self._loop.call_soon(self._run)

    def put_lazy(self, job: Job) -> None:
        self._jobs.append(job)
        if self._due is None and self._late is None:
            self._late = self._loop.call_later(LAZY_S, self._run)

    def close(self) -> None:
        if not self._closed:
            self._run()
            if self._writer.held:
                self._writer.step([], float("inf"))
        self._closed = True
        self._cancel()

    def abort(self) -> None:
        self._closed = self._aborted = True
        self._cancel()

    def _run(self) -> None:
        self._cancel()
        if self._closed:
            return
        jobs, self._jobs = self._jobs, []
        batch = self._writer.step(jobs, self._loop.time())
        if batch:
            self._loop.call_soon(self._give, batch)
        if self._writer.failed:
            self._late = self._loop.call_later(RETRY_S, self._run)

    def _give(self, batch: Batch) -> None:
        if not self._aborted:
            self._post(batch)

    def _cancel(self) -> None:
        for handle in (self._due, self._late):
            if handle is not None:
                handle.cancel()
        self._due = self._late = None
