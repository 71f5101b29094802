"""Sends prepared records at their moments: open loop, in order, as many at once as are due."""

import asyncio
import time
from collections.abc import Callable, Sequence

from parlance import clock
from parlance.bus import Bus
from services.rehearsal.events import Prepared

# So many are handed to the bus together at most, and so many may wait there.
_TOGETHER, _WAITING = 500, 4000
# The loop's timers count whole milliseconds: what is left is waited for awake.
_TICK_S = 0.0015


class Sender:
    """`sent[n]`: when the n-th was handed to the bus, seconds after the start."""

    def __init__(self, bus: Bus, records: Sequence[Prepared], tell: Callable[[int], None]) -> None:
        self._bus, self._records, self._tell = bus, records, tell
        self.sent: list[float] = []
        self.start = 0.0
        self.start_us = 0
        self._stopped = False

    def stop(self) -> None:
        """Sends no more."""
        self._stopped = True

    async def run(self, lead_s: float = 0.2) -> None:
        """Returns when all is durable. Raises Unavailable where the bus takes nothing more."""
        self.start, self.start_us = time.monotonic() + lead_s, clock.now_us() + round(lead_s * 1e6)
        waiting = 0
        while len(self.sent) < len(self._records) and not self._stopped:
            count = await self._send_due()
            waiting += count
            if waiting >= _WAITING:
                await self._bus.flush()
                waiting = 0
            self._tell(len(self.sent))
        await self._bus.flush()

    async def _send_due(self) -> int:
        """Waits for the next one, then sends all that are due by then."""
        first = len(self.sent)
        await self._until(self.start + self._records[first].due_s)
        now, now_us = time.monotonic() - self.start, clock.now_us()
        last = first
        while last < min(len(self._records), first + _TOGETHER) and self._records[last].due_s <= now:
            last += 1
        self._bus.append([record.at(now_us) for record in self._records[first:last]])
        self.sent += [time.monotonic() - self.start] * (last - first)
        return last - first

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(0)
        while (left := moment - time.monotonic()) > 0:  # noqa: ASYNC110 - it waits for a moment
            await asyncio.sleep(left - _TICK_S if left > _TICK_S else 0)
