"""Partitions that a stage takes over from another member of its group, with what that one had in memory alone.

A process does so when its backlog is handled, and again each time that it is given more.
"""

import asyncio

from parlance import log
from parlance.bus import Subscription
from parlance.stage_work import Work

_AGAIN_S = 1.0


class Taking:
    def __init__(self, name: str, subscription: Subscription, work: Work) -> None:
        self._name, self._subscription, self._work = name, subscription, work
        self._given = asyncio.Event()
        subscription.when_given(self._given.set)

    async def begin(self) -> None:
        """What was given until now belongs to the start."""
        self._given.clear()
        if self._work.caught_up is not None:
            await self._work.caught_up()

    async def run(self) -> None:
        """Until cancelled. Where it fails (a database that is away), it is tried again."""
        while True:
            await self._given.wait()
            self._given.clear()
            try:
                await self._subscription.caught_up()
                if self._work.taken_over is not None:
                    await self._work.taken_over()
            except Exception as exc:
                log.failed(f"{self._name}: what was taken over is looked at again", exc)
                self._given.set()
                await asyncio.sleep(_AGAIN_S)
