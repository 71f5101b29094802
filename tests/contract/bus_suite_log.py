"""The bus as a log: what is appended is there, in order, and is found by offset and time."""

from typing import Any

import pytest

from parlance.bus import Out, partition_of
from tests.contract.bus_suite_tools import OpenBus, numbered, opened, out


class LogSuite:
    async def test_headers_survive_the_log(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            record = await bus.publish(Out(topics[0].name, 0, b"k", b"v", (("a", b"1"), ("a", b"2"), ("é", b"\x00"))))
            assert await bus.read(topics[0].name, 0, record.offset) == [record]

    async def test_time_never_goes_back_within_a_partition(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            for value in numbered(50):
                await bus.publish(out(topics[0], value, b"k"))
            records = await bus.read(topics[0].name, partition_of(b"k", 4), 0)
            times = [record.ts_us for record in records]
            assert len(times) == 50 and times == sorted(times)

    async def test_what_was_published_is_there_after_a_restart(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            bus.append([out(topics[0], value) for value in numbered(20)], lazy=True)
        async with opened(open_bus, topics) as bus:
            records = await bus.read(topics[0].name, partition_of(b"k", 4), 0)
            assert [record.value for record in records] == numbered(20)

    async def test_reading_goes_by_offset(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            records = [await bus.publish(Out(topics[0].name, 1, b"", value)) for value in numbered(10)]
            assert await bus.read(topics[0].name, 1, records[4].offset, 3) == records[4:7]
            assert await bus.read(topics[0].name, 1, records[-1].offset + 1) == []
            assert await bus.read(topics[0].name, 2, 0) == []
            assert await bus.end(topics[0].name, 1) == records[-1].offset + 1

    async def test_an_offset_is_found_by_time(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            name = topics[0].name
            assert await bus.offset_at(name, 0, 0) == await bus.end(name, 0)
            records = [await bus.publish(Out(name, 0, b"", value)) for value in numbered(40)]
            for record in records[::7]:
                first = next(r.offset for r in records if r.ts_us >= record.ts_us)
                assert await bus.offset_at(name, 0, record.ts_us) == first
            assert await bus.offset_at(name, 0, records[0].ts_us - 1_000_000) == records[0].offset
            assert await bus.offset_at(name, 0, records[-1].ts_us + 60_000_000) == records[-1].offset + 1

    async def test_a_topic_can_be_declared_late_and_again(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics[:1]) as bus:
            bus.declare([topics[1]])
            bus.append([out(topics[1], b"a")])
            bus.declare(topics)
            await bus.publish(out(topics[1], b"b"))
            records = await bus.read(topics[1].name, partition_of(b"k", 4), 0)
            assert [record.value for record in records] == [b"a", b"b"]

    async def test_a_topic_that_was_not_declared_is_refused(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics[:1]) as bus:
            with pytest.raises(ValueError, match="declared"):
                bus.append([out(topics[1], b"a")])

    async def test_a_bus_that_is_well_says_so(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            await bus.publish(out(topics[0], b"a"))
            assert bus.failed == ""
