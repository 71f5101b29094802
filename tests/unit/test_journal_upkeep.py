"""Retention, compaction, checkpoints: what may go goes, a partition's newest record never, offsets go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from parlance import clock
from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.events import TopicInfo
from parlance.journal_reader import READ_BYTES
from tests.contract.bus_suite_tools import Collector, numbered, ready, until

KEPT = TopicInfo("kept.v1", 1)
SHORT = TopicInfo("short.v1", 1, retention_ms=60_000)
NAMED = TopicInfo("named.v1", 2, compacted=True)


class Wall:
    def __init__(self) -> None:
        self.us = 1_700_000_000_000_000

    def __call__(self) -> int:
        self.us += 1
        return self.us


@pytest.fixture
def wall() -> Iterator[Wall]:
    made = Wall()
    clock.use(made)
    yield made
    clock.use(None)


@pytest.fixture(params=["thread", "inline"])
async def bus(request: pytest.FixtureRequest, wall: Wall, tmp_path: Path) -> AsyncIterator[JournalBus]:
    opened = JournalBus(tmp_path / "journal.db", inline=request.param == "inline")
    opened.declare([KEPT, SHORT, NAMED])
    await opened.start()
    yield opened
    await opened.stop()


def out(topic: TopicInfo, value: bytes, key: bytes = b"k", partition: int = 0) -> Out:
    return Out(topic.name, partition, key, value)


async def append(bus: JournalBus, topic: TopicInfo, values: list[bytes]) -> None:
    bus.append([out(topic, value) for value in values])
    await bus.flush()


async def test_what_is_past_its_retention_is_deleted(bus: JournalBus, wall: Wall) -> None:
    await append(bus, SHORT, numbered(1000))
    await append(bus, KEPT, numbered(10))
    wall.us += 61_000_000
    await append(bus, SHORT, numbered(5, 1000))
    await bus.upkeep()
    assert [record.value for record in await bus.read(SHORT.name, 0, 0)] == numbered(5, 1000)
    assert len(await bus.read(KEPT.name, 0, 0)) == 10
    assert await bus.upkeep() == 0


async def test_who_is_asked_first_can_hold_a_partition_back(bus: JournalBus, wall: Wall) -> None:
    asked: list[tuple[str, int, int]] = []
    answer = False

    def may_trim(topic: str, partition: int, offset: int) -> bool:
        asked.append((topic, partition, offset))
        return answer

    bus.may_trim = may_trim
    await append(bus, SHORT, numbered(300))
    await append(bus, KEPT, numbered(3))
    assert await bus.upkeep() == 0 and asked == []
    wall.us += 61_000_000
    await append(bus, SHORT, numbered(5, 300))
    assert await bus.upkeep() == 0 and asked == [(SHORT.name, 0, 300)]
    answer = True
    assert await bus.upkeep() == 300
    assert await bus.upkeep() == 0 and len(asked) == 2


async def test_the_newest_record_stays_and_offsets_go_on(bus: JournalBus, wall: Wall) -> None:
    await append(bus, SHORT, numbered(300))
    wall.us += 3_600_000_000
    await bus.upkeep()
    assert [record.offset for record in await bus.read(SHORT.name, 0, 0)] == [299]
    assert await bus.end(SHORT.name, 0) == 300
    assert (await bus.publish(out(SHORT, b"on"))).offset == 300


async def test_of_a_compacted_topic_the_newest_of_each_key_stays(bus: JournalBus) -> None:
    for n in range(100):
        bus.append([out(NAMED, b"%d" % n, key, partition) for key in (b"a", b"b") for partition in (0, 1)])
    bus.append([out(NAMED, b"once", b"c")])
    await bus.flush()
    await bus.upkeep()
    left = [(record.key, record.value) for record in await bus.read(NAMED.name, 0, 0)]
    assert left == [(b"a", b"99"), (b"b", b"99"), (b"c", b"once")]
    assert await bus.end(NAMED.name, 0) == 201


async def test_holes_stop_no_subscriber_and_no_search_by_time(bus: JournalBus) -> None:
    records = [await bus.publish(out(NAMED, b"%d" % n, b"%d" % (n % 7 if n % 3 else n))) for n in range(400)]
    await bus.upkeep()
    left = await bus.read(NAMED.name, 0, 0)
    assert len(left) < 200
    got = Collector()
    await ready(bus.subscribe("g", [NAMED.name], got))
    assert got.records == left
    for record in records[::13]:
        first = next(r.offset for r in left if r.ts_us >= record.ts_us)
        assert await bus.offset_at(NAMED.name, 0, record.ts_us) == first
    await bus.publish(out(NAMED, b"on"))
    await got.until(len(left) + 1)


async def test_time_does_not_go_back_with_the_clock(bus: JournalBus, wall: Wall) -> None:
    first = await bus.publish(out(KEPT, b"1"))
    wall.us -= 3_600_000_000
    second = await bus.publish(out(KEPT, b"2"))
    assert second.ts_us >= first.ts_us


async def test_much_is_read_in_bounded_pieces(bus: JournalBus) -> None:
    value = bytes(900_000)
    for _ in range(12):
        await bus.publish(out(KEPT, value))
    piece = await bus.read(KEPT.name, 0, 0)
    assert READ_BYTES <= sum(len(record.value) for record in piece) < READ_BYTES + 2 * len(value)
    got = Collector()
    await ready(bus.subscribe("g", [KEPT.name], got))
    assert len(got.records) == 12


async def test_the_write_ahead_log_is_copied_back_while_work_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    bus = JournalBus(path)
    bus.declare([KEPT])
    await bus.start()
    wal = path.with_name("journal.db-wal")
    written = 0
    while written < 120 << 20:
        bus.append([out(KEPT, bytes(100_000)) for _ in range(20)])
        written += 2_000_000
        await bus.flush()
    await until(lambda: path.stat().st_size > written - (9 << 20))  # all but a thousand pages
    async with asyncio.timeout(30):
        while wal.stat().st_size > 64 << 20:  # the first commit after a whole checkpoint cuts it to its limit
            await bus.publish(out(KEPT, b"on"))
            await asyncio.sleep(0.05)
    await bus.stop()
    assert not wal.exists()


async def test_the_owner_tidies_by_itself_from_the_start(tmp_path: Path, wall: Wall) -> None:
    path = tmp_path / "journal.db"
    for expected in (500, 1):
        bus = JournalBus(path)
        bus.declare([SHORT])
        await bus.start()
        if expected == 500:
            await append(bus, SHORT, numbered(500))
            wall.us += 3_600_000_000
        else:
            left = 500
            async with asyncio.timeout(30):
                while left > 1:
                    left = len(await bus.read(SHORT.name, 0, 0))
        await bus.stop()
