"""A service that starts before its broker or database waits for them, visibly, and for a while only."""

import asyncio
from collections.abc import Callable

from parlance.bus import Bus
from parlance.errors import NotYet
from parlance.log import logger
from parlance.store import Store

_AGAIN_S = 1.0
_TOLD_EVERY_S = 5.0

Made = tuple[Bus, Store | None]


class Ended(Exception):
    """It was asked to end while it waited."""


async def started(make: Callable[[], Made], within_s: float, stop: asyncio.Event) -> Made:
    """What `make` makes, with its bus started; made anew for each attempt. Raises NotYet where it cannot be started
    within `within_s`, Ended where `stop` is set before, and at once what waiting does not mend."""
    loop = asyncio.get_running_loop()
    until, told_at = loop.time() + within_s, -_TOLD_EVERY_S
    while True:
        bus, rows = make()
        try:
            await bus.start()
            return bus, rows
        except NotYet as exc:
            now = loop.time()
            if now + _AGAIN_S > until:
                raise
            if now - told_at >= _TOLD_EVERY_S:
                told_at = now
                logger.warning("%s; tried again for %.0f s more", exc.message, until - now)
        if await _set(stop, _AGAIN_S):
            raise Ended


async def _set(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return False
