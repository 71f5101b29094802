"""Who gets which records: groups and their offsets, readers without a group, partitions by hand."""

from typing import Any

import pytest

from parlance.bus import Out
from tests.contract.bus_suite_tools import Collector, OpenBus, numbered, opened, out, ready


class GroupSuite:
    async def test_a_group_without_a_commit_begins_at_the_oldest_record(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            bus.append([out(topics[0], value) for value in numbered(20)])
            await bus.flush()
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            assert got.values == numbered(20)

    async def test_a_group_goes_on_after_its_committed_offset(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            subscription = bus.subscribe("g", [topics[0].name], got)
            bus.append([out(topics[0], value) for value in numbered(20)])
            await got.until(20)
            done = got.records[11]
            ownership = subscription.ownership(done.topic, done.partition)
            subscription.commit(done.topic, done.partition, done.offset + 1, ownership)
            await subscription.stop()
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            assert got.values == numbered(8, 12)

    async def test_a_commit_is_kept_when_the_bus_stops(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            subscription = bus.subscribe("g", [topics[0].name], got)
            record = await bus.publish(out(topics[0], b"done"))
            await got.until(1)
            ownership = subscription.ownership(record.topic, record.partition)
            subscription.commit(record.topic, record.partition, record.offset + 1, ownership)
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            assert got.values == []

    async def test_what_was_not_committed_is_delivered_again(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            for _ in range(2):
                got = Collector()
                subscription = bus.subscribe("g", [topics[0].name], got)
                bus.append([out(topics[0], b"again")])
                await ready(subscription)
                await subscription.stop()
            assert got.values == [b"again", b"again"]

    async def test_a_commit_of_an_older_ownership_is_dropped(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            first = bus.subscribe("g", [topics[0].name], Collector())
            record = await bus.publish(out(topics[0], b"a"))
            await ready(first)
            old = first.ownership(record.topic, record.partition)
            await first.stop()
            second = bus.subscribe("g", [topics[0].name], Collector())
            await ready(second)
            assert second.ownership(record.topic, record.partition) > old
            second.commit(record.topic, record.partition, record.offset + 1, old)
            first.commit(record.topic, record.partition, record.offset + 1, old)
            await second.stop()
            again = Collector()
            await ready(bus.subscribe("g", [topics[0].name], again))
            assert again.values == [b"a"]

    async def test_groups_do_not_disturb_each_other(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            one, two = Collector(), Collector()
            bus.subscribe("one", [topics[0].name], one)
            bus.subscribe("two", [topics[0].name], two)
            bus.append([out(topics[0], value) for value in numbered(10)])
            await one.until(10)
            await two.until(10)
            assert one.values == two.values == numbered(10)

    async def test_a_second_subscription_of_a_group_on_a_topic_is_refused(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            first = bus.subscribe("g", [topics[0].name], Collector())
            with pytest.raises(ValueError, match="g"):
                bus.subscribe("g", [topics[1].name, topics[0].name], Collector())
            await first.stop()
            bus.subscribe("g", [topics[0].name, topics[1].name], Collector())

    async def test_one_subscription_reads_several_topics(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            bus.subscribe("g", [topic.name for topic in topics], got)
            bus.append([out(topics[0], b"a"), out(topics[1], b"b")])
            await got.until(2)
            assert {(r.topic, r.value) for r in got.records} == {(topics[0].name, b"a"), (topics[1].name, b"b")}

    async def test_a_reader_without_group_gets_only_what_comes(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            await bus.publish(out(topics[0], b"old"))
            got = Collector()
            await ready(bus.subscribe(None, [topics[0].name], got))
            await bus.publish(out(topics[0], b"new"))
            await got.until(1)
            assert got.values == [b"new"]

    async def test_a_reader_without_group_begins_at_a_time(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            records = [await bus.publish(out(topics[0], value)) for value in numbered(30)]
            since = records[17].ts_us
            got = Collector()
            await ready(bus.subscribe(None, [topics[0].name], got, from_us=since))
            assert got.values == [record.value for record in records if record.ts_us >= since]

    async def test_readers_without_group_each_get_everything(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            readers = [Collector() for _ in range(3)]
            for got in readers:
                await ready(bus.subscribe(None, [topics[0].name], got))
            bus.append([out(topics[0], value) for value in numbered(5)])
            for got in readers:
                await got.until(5)
                assert got.values == numbered(5)

    async def test_partitions_can_be_picked_by_hand(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe(None, [topics[0].name], got, partitions=[2]))
            bus.append([Out(topics[0].name, part, b"", b"%d" % part) for part in range(4)])
            bus.append([Out(topics[0].name, 2, b"", b"last")])
            await got.until(2)
            assert got.values == [b"2", b"last"]
            with pytest.raises(ValueError, match="partitions"):
                bus.subscribe(None, [topics[0].name], got, partitions=[4])
