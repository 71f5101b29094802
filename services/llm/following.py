"""Lets spending know what the log says: of this month, and of what other replicas spend from then on."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from parlance import clock
from parlance.bus import Record
from parlance.events import TOPICS, kind, parse, topic_of
from parlance.ground import Ground
from parlance.log import logger
from parlance.v1.llm_pb2 import LlmEvent
from services.llm.spending import Spending


class Following:
    """Reads the topic from the month's beginning once somebody has a budget; `stack` ends it."""

    def __init__(self, ground: Ground, spending: Spending, stack: AsyncExitStack) -> None:
        self._ground, self._spending, self._stack = ground, spending, stack
        self._lock = asyncio.Lock()
        self._ready = False

    async def __call__(self) -> None:
        if self._ready:
            return
        async with self._lock:
            if not self._ready:
                await self._follow()
            self._ready = True

    async def _follow(self) -> None:
        topic = topic_of(LlmEvent).name
        partitions = list(range(TOPICS[topic].partitions))
        spending = self._spending
        spending.begin_again()
        subscription = self._ground.bus.subscribe(
            None, [topic], self._deliver, partitions=partitions, from_us=month_began_us(clock.now_us())
        )
        self._stack.push_async_callback(subscription.stop)
        await subscription.caught_up()

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            try:
                event = parse(record.topic, record.value)
            except Exception:
                logger.warning("a record of %s could not be read; what it cost is not counted", record.topic)
                continue
            if kind(event) == "usage":
                self._spending.told(event.header, event.usage)


def month_began_us(us: int) -> int:
    """Of UTC."""
    now = datetime.fromtimestamp(us / 1e6, UTC)
    return int(datetime(now.year, now.month, 1, tzinfo=UTC).timestamp() * 1_000_000)
