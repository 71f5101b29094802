"""Cancels the piece of work that runs inside a task, without ending the task."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager


class Cut:
    """One piece of work at a time. `cut` may come often; the task is cancelled once and uncancelled once."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cut = False
        self._held = 0
        self._wanted = False

    def cut(self) -> None:
        """Cancels the work that runs now, or as soon as it is not held any more."""
        if self._held:
            self._wanted = True
        elif self._task is not None and not self._cut:
            self._cut = True
            self._task.cancel()

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must be done whole, once it is begun (ending a turn)."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held and self._wanted:
                self._wanted = False
                self.cut()

    async def run(self, work: Awaitable[object]) -> bool:
        """Awaits the work. True: it ended by itself; False: it was cut. A cancel of the task itself goes through."""
        task = self._task = asyncio.current_task()
        assert task is not None
        self._cut = self._wanted = False
        try:
            await work
            if self._cut:  # it came when there was nothing left to cancel: let it arrive here, not later
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not self._cut or task.uncancel() > 0:
                raise
            return False
        finally:
            self._task = None
        if self._cut:
            task.uncancel()
            return False
        return True
