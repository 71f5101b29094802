"""Cuts one piece of work that runs inside a task, without ending the task."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager


class Cut:
    """Of one piece of work. Only what it does inside `exposed` is cut; the rest is done whole.

    `cut` may come often; the task is cancelled once and uncancelled once."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._wanted = self._exposed = self._cut = False

    def cut(self) -> None:
        """Cancels the work now, or as soon as it exposes itself."""
        self._wanted = True
        if self._exposed and self._task is not None and not self._cut:
            self._cut = True
            self._task.cancel()

    @asynccontextmanager
    async def exposed(self) -> AsyncIterator[None]:
        """What may be cut. A cut arrives in here and nowhere else, whether it came before or at the very end."""
        self._exposed = True
        try:
            if self._wanted:
                self.cut()
            await self._arrival()
            try:
                yield
            except Exception:
                await self._arrival()
                raise
            await self._arrival()
        finally:
            self._exposed = False

    async def _arrival(self) -> None:
        if self._cut:
            await asyncio.sleep(0)

    async def run(self, work: Awaitable[object]) -> bool:
        """Awaits the work. True: it ended by itself; False: it was cut. A cancel of the task itself goes through."""
        task = self._task = asyncio.current_task()
        assert task is not None
        try:
            await work
        except asyncio.CancelledError:
            if not self._cut or task.uncancel() > 0:
                raise
            return False
        finally:
            self._task = None
        return True
