"""The bus's contract over the journal, in its thread and inline; and what only the journal does."""

import asyncio
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parlance.bus import Bus, Out, Record
from parlance.bus_journal import JournalBus
from parlance.errors import Unavailable
from parlance.events import TopicInfo
from parlance.journal_log import Log
from parlance.journal_tail import Partition
from parlance.store_sqlite import SqliteStore
from tests.contract.bus_suite import BusSuite
from tests.contract.bus_suite_tools import Collector, OpenBus, numbered, opened, out, ready

TOPICS = (TopicInfo("one.v1", 4), TopicInfo("two.v1", 4, durable=True))


def opener(path: Path, **form: bool) -> OpenBus:
    async def open_bus() -> Bus:
        bus = JournalBus(path, **form)
        await bus.start()
        return bus

    return open_bus


class JournalSuite(BusSuite):
    @pytest.fixture
    def topics(self) -> tuple[TopicInfo, TopicInfo]:
        return TOPICS

    async def test_an_aborted_bus_delivers_nothing_and_leaves_the_file_to_the_next(
        self, open_bus: Callable[[], Any]
    ) -> None:
        bus = await open_bus()
        bus.declare(TOPICS)
        await bus.publish(out(TOPICS[0], b"kept"))
        got = Collector()
        await ready(bus.subscribe(None, [TOPICS[0].name], got))
        bus.append([out(TOPICS[0], b"perhaps")])
        bus.abort()
        with pytest.raises(Unavailable):
            bus.append([out(TOPICS[0], b"never")])
        async with opened(open_bus, TOPICS) as again:
            values = Collector()
            await ready(again.subscribe("g", [TOPICS[0].name], values))
            assert values.values[0] == b"kept" and b"never" not in values.values
        assert got.records == []


class TestJournalInAThread(JournalSuite):
    @pytest.fixture
    def open_bus(self, tmp_path: Path) -> OpenBus:
        return opener(tmp_path / "journal.db")


class TestJournalInline(JournalSuite):
    @pytest.fixture
    def open_bus(self, tmp_path: Path) -> OpenBus:
        return opener(tmp_path / "journal.db", inline=True)


async def test_a_second_owner_is_told_who_runs_and_what_to_do(tmp_path: Path) -> None:
    async with opened(opener(tmp_path / "journal.db"), TOPICS):
        second = JournalBus(tmp_path / "journal.db")
        with pytest.raises(Unavailable, match=r"another `parlance run` \(process \d+\).*PARLANCE_HOME"):
            await second.start()
    async with opened(opener(tmp_path / "journal.db"), TOPICS):
        pass


async def test_what_another_process_appends_reaches_the_owner_in_order(tmp_path: Path) -> None:
    async with opened(opener(tmp_path / "journal.db"), TOPICS) as owner:
        got = Collector()
        await ready(owner.subscribe("g", [TOPICS[0].name], got))
        owner.append([out(TOPICS[0], b"0")])
        await got.until(1)
        async with opened(opener(tmp_path / "journal.db", owner=False), TOPICS) as other:
            began = asyncio.get_running_loop().time()
            other.append([out(TOPICS[0], value) for value in numbered(10, 1)])
            await got.until(11)
            took = asyncio.get_running_loop().time() - began
            owner.append([out(TOPICS[0], b"11")])
            await got.until(12)
            other.append([out(TOPICS[0], b"12")])
            await got.until(13)
        assert got.values == numbered(13)
        assert [record.offset for record in got.records] == list(range(13))
        assert took < 2.0  # 0.1 s, but for a machine that is busy


async def test_both_processes_append_and_each_record_has_one_offset(tmp_path: Path) -> None:
    async with (
        opened(opener(tmp_path / "journal.db"), TOPICS) as owner,
        opened(opener(tmp_path / "journal.db", owner=False), TOPICS) as other,
    ):
        got, seen = Collector(), Collector()
        await ready(owner.subscribe("g", [TOPICS[0].name], got))
        await ready(other.subscribe(None, [TOPICS[0].name], seen))
        for n in range(200):
            await asyncio.gather(owner.publish(out(TOPICS[0], b"a%d" % n)), other.publish(out(TOPICS[0], b"b%d" % n)))
        await got.until(400)
        await seen.until(400)
        assert [record.offset for record in got.records] == list(range(400))
        assert got.records == seen.records
        assert sorted(got.values) == sorted([b"a%d" % n for n in range(200)] + [b"b%d" % n for n in range(200)])


async def test_what_is_durable_is_synced_and_the_rest_is_not(tmp_path: Path) -> None:
    def mode(log: Log) -> object:
        return log.db.pragma("synchronous")

    normal, full = 1, 2
    async with opened(opener(tmp_path / "journal.db"), TOPICS) as bus:
        assert await bus.work(mode, [out(TOPICS[0], b"")]) == normal
        assert await bus.work(mode, [out(TOPICS[1], b"")]) == full
        assert await bus.work(mode, [out(TOPICS[0], b"")]) == normal
        assert await SqliteStore(bus).transact(mode) == full


async def test_only_the_owner_consumes_as_a_group(tmp_path: Path) -> None:
    async with opened(opener(tmp_path / "journal.db", owner=False), TOPICS) as bus:
        with pytest.raises(ValueError, match="owns"):
            bus.subscribe("g", [TOPICS[0].name], Collector())


async def test_one_bad_record_does_not_spoil_its_neighbours(tmp_path: Path) -> None:
    async with opened(opener(tmp_path / "journal.db"), TOPICS) as bus:
        good = bus.publish(out(TOPICS[0], b"1"))
        bad = bus.publish(out(TOPICS[0], "text"))  # type: ignore[arg-type]
        after = bus.publish(out(TOPICS[0], b"2"))
        assert (await good).offset == 0
        with pytest.raises(Exception, match="TEXT"):
            await bad
        assert (await after).offset == 1
        assert bus.failed == ""


async def test_stopping_is_quick_and_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    bus = JournalBus(tmp_path / "journal.db")
    bus.declare(TOPICS)
    await bus.start()
    got = Collector()
    await ready(bus.subscribe("g", [TOPICS[0].name], got))
    assert len(set(threading.enumerate()) - before) >= 2
    began = asyncio.get_running_loop().time()
    await bus.stop()
    await bus.stop()
    assert asyncio.get_running_loop().time() - began < 2.0
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not any(name.startswith("journal") for name in left)


async def test_inline_there_is_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    async with opened(opener(tmp_path / "journal.db", inline=True), TOPICS) as bus:
        await ready(bus.subscribe("g", [TOPICS[0].name], Collector()))
        await bus.publish(out(TOPICS[0], b"1"))
        await bus.read(TOPICS[0].name, 0, 0)
        assert threading.active_count() == before


async def test_an_outbox_may_change_after_it_was_appended(tmp_path: Path) -> None:
    async with opened(opener(tmp_path / "journal.db"), TOPICS) as bus:
        outbox = [out(TOPICS[0], b"1")]
        bus.append(outbox)
        outbox.clear()
        await bus.flush()
        assert sum([await bus.end(TOPICS[0].name, part) for part in range(4)]) == 1


def test_a_tail_has_no_gaps() -> None:
    partition = Partition("one.v1", 0)
    records = [Record("one.v1", 0, offset, 0, b"", b"") for offset in (0, 1, 5, 6)]
    for record in records:
        partition.push(record)
    assert partition.since(0) == []
    assert partition.since(5) == records[2:]
    partition.jump(9)
    assert partition.head == 9 and partition.since(6) == []


async def test_the_tail_is_bounded(tmp_path: Path) -> None:
    async with opened(opener(tmp_path / "journal.db"), TOPICS) as bus:
        got = Collector()
        got.on_records = lambda records: got.records.clear()
        bus.subscribe("g", [TOPICS[0].name], got)
        for _ in range(20):
            bus.append([Out(TOPICS[0].name, 0, b"", b"marker") for _ in range(200)])
            await bus.flush()
        gc.collect()
        kept = [o for o in gc.get_objects() if type(o).__name__ == "Record"]
        assert len(kept) <= 600
