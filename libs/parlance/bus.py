"""The Bus: partitioned, ordered, durable, replayable topics. One contract suite runs over every implementation.

Delivery is at least once; a group's offset is committed by hand after the work. Offsets of a partition rise but
may have gaps (compaction).
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from parlance.events import TopicInfo, topic_of


@dataclass(slots=True)
class Out:
    """A record to append. `headers` hold what is not part of the fact: when work on it began, its trace."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Record:
    """A record as it stands in the log. `ts_us`: when it was appended; never decreases within a partition."""

    topic: str
    partition: int
    offset: int
    ts_us: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


Deliver = Callable[[list[Record]], None]


class Subscription(Protocol):
    """What `Bus.subscribe` gives. All methods are called on the event loop."""

    def commit(self, topic: str, partition: int, next_offset: int, ownership: int) -> None:
        """Everything below `next_offset` is done. Lazy (within 100 ms); dropped where the ownership is older
        than the partition's current one."""

    def ownership(self, topic: str, partition: int) -> int:
        """Counts how often this partition was given to this subscription."""

    def when_given(self, call: Callable[[], None]) -> None:
        """Calls it on the loop each time that the group gives this subscription partitions which it did not hold just
        before: another member had them, or may have had."""

    def pause(self) -> None:
        """Deliver nothing more until `resume`: back-pressure."""

    def resume(self) -> None: ...

    async def caught_up(self) -> None:
        """Returns when all that stood in the log when it was called has been delivered."""

    async def stop(self) -> None:
        """No delivery after it returns; pending commits are written."""


class Bus(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Everything appended is durable when it returns."""

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        """The topics that will be used. The journal makes them where they do not exist; on Kafka their absence is an
        error that says how to make them."""

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        """Appends in call order; nobody waits. Lazy: nobody waits for its consequence either, so it may be
        batched for up to 20 ms. A failure shows in `failed`."""

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        """Appends; the future is done when the record is durable as its topic demands. It raises Unavailable
        where the disk or broker refuses."""

    def subscribe(
        self,
        group: str | None,
        topics: Sequence[str],
        deliver: Deliver,
        *,
        partitions: Sequence[int] | None = None,
        from_us: int | None = None,
    ) -> Subscription:
        """Delivers batches of records, in order per partition, on the loop; never before they are durable.

        A group begins at its committed offsets (without any: at the oldest record), and each record goes to
        one of its members. `group=None` reads for itself alone: all records from `from_us` on (None: only new
        ones). `partitions` picks by hand. A second subscription of one group on one topic in one process is
        refused (ValueError)."""

    async def read(self, topic: str, partition: int, start: int, limit: int = 1000) -> list[Record]:
        """Up to `limit` records from offset `start` on; [] at the end."""

    async def offset_at(self, topic: str, partition: int, ts_us: int) -> int:
        """The offset of the first record whose ts is at or after `ts_us`; the next offset where there is none."""

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""

    async def flush(self) -> None:
        """Returns when everything appended so far is durable."""

    @property
    def failed(self) -> str:
        """ "" while well; otherwise what is wrong and what to do."""
        ...


def partition_of(key: bytes, partitions: int) -> int:
    """Stable over processes and implementations (Kafka gets it explicitly)."""
    return zlib.crc32(key) % partitions


def topic_name(cls: type[Any]) -> str:
    """The topic of an event class."""
    return topic_of(cls).name
