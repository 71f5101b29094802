"""What has begun and has not ended yet."""

import asyncio
from typing import Any


class Counts:
    """Numbers what begins; `passed` waits for all of it, and for nothing that begins later."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._last = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def began(self) -> int:
        self._last += 1
        self._open[self._last] = None
        return self._last

    def ended(self, number: int) -> None:
        self._open.pop(number, None)
        if not self._waiters:
            return
        oldest = next(iter(self._open), self._last + 1)
        for upto, waiter in self._waiters:
            if upto < oldest and not waiter.done():
                waiter.set_result(None)
        self._waiters = [(upto, waiter) for upto, waiter in self._waiters if not waiter.done()]

    async def passed(self) -> None:
        if self._open:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._last, waiter))
            await waiter


def settle(future: "asyncio.Future[Any]", value: Any) -> None:
    """Its outcome, which may be an exception. Who has left is not told."""
    if future.done():
        return
    if isinstance(value, BaseException):
        future.set_exception(value)
    else:
        future.set_result(value)
