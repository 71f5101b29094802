"""Topics and buses of a test on a shared broker: nothing of one test is seen by another."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from parlance.bus import Bus
from parlance.events import TopicInfo


async def create(url: str, *topics: TopicInfo) -> None:
    """As `parlance topics apply` makes them."""
    from parlance import kafka_address
    from parlance.kafka_topics import Topics

    async with Topics(kafka_address.parse(url)) as cluster:
        await cluster.create(topics)


def fresh(count: int = 2, partitions: int = 4) -> tuple[TopicInfo, ...]:
    """Topics that no other test knows, not made yet; the last one is durable."""
    mark = uuid.uuid4().hex[:8]
    return tuple(TopicInfo(f"t{n}-{mark}.v1", partitions, durable=n == count - 1) for n in range(count))


def opener(url: str, kind: Callable[..., Any] | None = None) -> Callable[[], Any]:
    """Opens buses whose groups belong to each other and to nobody else. `kind`: of which class."""
    from parlance.bus_kafka import KafkaBus

    kind = kind or KafkaBus
    prefix = f"{uuid.uuid4().hex[:8]}."

    async def open_bus() -> Bus:
        bus: Bus = kind(url, prefix=prefix)
        await bus.start()
        return bus

    return open_bus


async def started(bus: Any, topics: Sequence[TopicInfo]) -> Any:
    bus.declare(topics)
    await bus.start()
    return bus
