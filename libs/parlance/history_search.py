"""Turns that are older than what History keeps in memory: found in the log by their id, read where they stand there.

Every turn has at least its end on reply.v1, so that topic alone is searched (about 2 us a record); then each topic is
read around that moment.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from parlance.bus import Bus, Record
from parlance.events import TOPICS, parse
from parlance.v1.turn_pb2 import Header

SEARCHED = "reply.v1"
_ID_CHARS = 36
_BATCH = 1000
# Nobody reads more than some of the turns that a prefix names.
_ENOUGH = 4
# A turn has ended 90 s after its first word at the latest, and then sounds for as long as its reply is.
_BEFORE_US, _AFTER_US = 5_000_000, 900_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """Where a turn stands: all its records were written between these moments."""

    turn_id: str
    from_us: int
    until_us: int


async def find(bus: Bus, prefix: str) -> dict[str, Found]:
    """Turns whose id begins with `prefix`, by id: all of them, or the first 4. A whole id ends the search."""
    found: dict[str, Found] = {}
    async with aclosing(_with(bus, SEARCHED, prefix)) as records:
        async for record in records:
            header = _header(record)
            if header is None or header.run or not header.turn_id.startswith(prefix):
                continue
            since = min(header.accepted_at_us, record.ts_us) - _BEFORE_US
            found.setdefault(header.turn_id, Found(header.turn_id, since, record.ts_us + _AFTER_US))
            if len(prefix) == _ID_CHARS or len(found) >= _ENOUGH:
                break
    return found


async def around(bus: Bus, topics: Sequence[str], found: Found) -> AsyncGenerator[Record, None]:
    """The records of these topics, written while the turn was, that name it: its own, and those that refer to it."""
    for topic in topics:
        async with aclosing(_with(bus, topic, found.turn_id, found.from_us, found.until_us)) as records:
            async for record in records:
                yield record


async def _with(
    bus: Bus, topic: str, needle: str, from_us: int = 0, until_us: int | None = None
) -> AsyncGenerator[Record, None]:
    """The records whose bytes hold `needle`: most need not be parsed."""
    wanted = needle.encode()
    for partition in range(TOPICS[topic].partitions):
        start = await bus.offset_at(topic, partition, from_us)
        while records := await bus.read(topic, partition, start, _BATCH):
            for record in records:
                if wanted in record.value:
                    yield record
            if until_us is not None and records[-1].ts_us > until_us:
                break
            start = records[-1].offset + 1


def _header(record: Record) -> Header | None:
    try:
        header: Header = parse(record.topic, record.value).header
        return header
    except DecodeError:
        return None
