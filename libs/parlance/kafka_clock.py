"""How far this machine's clock is from the broker's, which stamps every record: an acknowledgement tells, for a record
was stamped after it was sent and before its acknowledgement came.

Deadlines are moments, and cross machines. A service in a process of its own therefore goes by the broker's clock where
its own is off by more than a turn can bear; what is less off does no harm.
"""

import asyncio

from parlance import clock
from parlance.kafka_address import Address
from parlance.log import logger

# What a deadline of 30 s can bear.
LIMIT_US = 5_000_000
_LOOK_S = 1.0


class BrokerClock:
    """`follows`: this process goes by the broker's clock; else a difference is only told."""

    def __init__(self, address: Address, *, follows: bool) -> None:
        self._address, self._follows = address, follows
        self._loop = asyncio.get_running_loop()
        self._next = 0.0
        self._told = False

    def stamped(self, ts_us: int, sent_at: float) -> None:
        """A record that was sent at `sent_at` (the loop's time) or later has just been acknowledged with this stamp of
        whole milliseconds."""
        now = self._loop.time()
        if now < self._next:
            return
        self._next = now + _LOOK_S
        now_us = clock.now_us()
        least, most = ts_us - now_us, ts_us + 1000 - now_us + round((now - sent_at) * 1e6)
        if least > LIMIT_US or most < -LIMIT_US:
            self._differs(least if least > 0 else most)
        elif not self._follows:
            self._told = False

    def _differs(self, by_us: int) -> None:
        """`by_us`: how far the broker's is ahead at least; negative: behind."""
        if self._follows:
            clock.correct(by_us)
        elif self._told:
            return
        self._told = True
        logger.warning(
            "this machine's clock is %.0f s %s that of Kafka at %s: %s; set the wrong one right (NTP)",
            abs(by_us) / 1e6,
            "behind" if by_us > 0 else "ahead of",
            self._address,
            "Parlance goes by Kafka's from now on" if self._follows else "what 'parlance turn' shows is off by that",
        )
