"""What the tests of a bus share: a subscriber that keeps what it gets, short records, opening and closing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from parlance.bus import Bus, Out, Record, Subscription, partition_of
from parlance.events import TopicInfo

OpenBus = Callable[[], Awaitable[Bus]]
PATIENCE_S = 30.0


class Collector:
    """A subscriber that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.on_records: Callable[[Sequence[Record]], None] = lambda records: None
        self._more = asyncio.Event()

    def __call__(self, records: list[Record]) -> None:
        self.records += records
        self.on_records(records)
        self._more.set()

    @property
    def values(self) -> list[bytes]:
        return [record.value for record in self.records]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.records) < count:
                self._more.clear()
                await self._more.wait()


def out(topic: TopicInfo, value: bytes, key: bytes = b"k") -> Out:
    return Out(topic.name, partition_of(key, topic.partitions), key, value)


def numbered(count: int, begin: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(begin, begin + count)]


@asynccontextmanager
async def opened(open_bus: OpenBus, topics: Sequence[TopicInfo]) -> Any:
    bus = await open_bus()
    bus.declare(topics)
    try:
        yield bus
    finally:
        await bus.stop()


async def ready(subscription: Subscription) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await subscription.caught_up()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what no event tells, such as another thread's file."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)
