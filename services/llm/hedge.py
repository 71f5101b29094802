"""Two attempts side by side: whoever says something first is heard, the other one is stopped."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from parlance.errors import ParlanceError, as_error
from services.llm.attempt import Attempt
from services.llm.provider import Value

# Values of one that is heard and not read yet: as much as a slow asker may be behind.
_AHEAD = 16
_Told = tuple[Attempt, Value | ParlanceError | None]


@dataclass(frozen=True, slots=True)
class Race:
    """`spawn` makes a task of somebody's task group (a group of this generator's own would turn its closing into an
    error); `values` is what an attempt says, to its end. `second` begins the other attempt; None: nobody is there."""

    spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
    values: Callable[[Attempt], AsyncGenerator[Value, None]]
    second: Callable[[], Awaitable[Attempt | None]]

    async def run(self, first: Attempt, after_s: float) -> AsyncGenerator[tuple[Attempt, Value], None]:
        """What the winner says. The other one is asked where the first has said nothing after `after_s`. Raises the
        first failure where both fail before they say anything."""
        lane: asyncio.Queue[_Told] = asyncio.Queue(_AHEAD)
        running = {first: self.spawn(self._pump(first, lane))}
        try:
            told = await _within(lane, after_s)
            if told is None and (other := await self.second()) is not None:
                running[other] = self.spawn(self._pump(other, lane))
                # One that is stopped before its first step would never be ended, and its money stay reserved.
                await asyncio.sleep(0)
            async with aclosing(_heard(lane, running, told)) as heard:
                async for attempt, value in heard:
                    yield attempt, value
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.wait(running.values())

    async def _pump(self, attempt: Attempt, lane: "asyncio.Queue[_Told]") -> None:
        try:
            async with aclosing(self.values(attempt)) as said:
                async for value in said:
                    await lane.put((attempt, value))
        except Exception as exc:
            await lane.put((attempt, as_error(exc)))
        else:
            await lane.put((attempt, None))


async def _heard(
    lane: asyncio.Queue[_Told], running: dict[Attempt, asyncio.Task[None]], told: _Told | None
) -> AsyncGenerator[tuple[Attempt, Value], None]:
    attempt, value = await _first(lane, running, told)
    for other, task in running.items():
        if other is not attempt:
            task.cancel()
    winner = attempt
    while value is not None:
        if isinstance(value, ParlanceError):
            raise value
        yield winner, value
        attempt, value = await lane.get()
        while attempt is not winner:  # what the other one had said already
            attempt, value = await lane.get()


async def _first(lane: asyncio.Queue[_Told], running: dict[Attempt, asyncio.Task[None]], told: _Told | None) -> _Told:
    """The first thing that somebody says. Raises the first failure where all fail."""
    failed: list[ParlanceError] = []
    while True:
        attempt, value = told or await lane.get()
        told = None
        if not isinstance(value, ParlanceError):
            return attempt, value
        failed.append(value)
        if len(failed) == len(running):
            raise failed[0]


async def _within(lane: asyncio.Queue[_Told], seconds: float) -> _Told | None:
    try:
        async with asyncio.timeout(seconds):
            return await lane.get()
    except TimeoutError:
        return None
