"""How long a stream may say nothing, or take nothing. One timer for the whole stream: asyncio.timeout around each piece
costs more than most pieces do."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Of one stream, read or written by one task at a time. `close` it at the end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[object] | None = None
        self._over = False

    async def next(self, pieces: AsyncGenerator[T, None], seconds: float) -> T | None:
        """The next piece; None after the last one. Raises TimeoutError where none comes within `seconds`."""
        try:
            return await self.wait(pieces.__anext__(), seconds)
        except StopAsyncIteration:
            return None

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What is waited for. Raises TimeoutError where it takes longer than `seconds`."""
        self._until = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            self._arm()
        task = self._waiting = asyncio.current_task(self._loop)
        try:
            result = await awaited
        except asyncio.CancelledError:
            if task is None or not self._over or task.uncancel() > 0:
                raise
            raise TimeoutError from None
        except Exception:
            self._in_time(task)
            raise
        finally:
            self._waiting = None
        self._in_time(task)
        return result

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _in_time(self, task: asyncio.Task[object] | None) -> None:
        """Raises TimeoutError where it came in the tick in which the time was up."""
        if self._over and task is not None:
            task.uncancel()
            raise TimeoutError

    def _arm(self) -> None:
        self.close()
        self._timer = self._loop.call_at(self._until, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._loop.time() < self._until:
            self._arm()
        elif not self._over:
            self._over = True
            self._waiting.cancel()
