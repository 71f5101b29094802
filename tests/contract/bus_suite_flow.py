"""How records reach a subscriber: whole, in order, once while it lives, not while it is paused, not after stop."""

import asyncio
from typing import Any

from parlance.bus import Out, Record, partition_of
from tests.contract.bus_suite_tools import Collector, OpenBus, numbered, opened, out, ready


class FlowSuite:
    async def test_a_record_is_delivered_as_it_was_published(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            headers = (("trace", b"\x01"), ("began", b""))
            record = await bus.publish(Out(topics[0].name, 3, b"key", b"\x00\xffvalue", headers))
            await got.until(1)
            assert got.records == [record]
            assert (record.topic, record.partition, record.key) == (topics[0].name, 3, b"key")
            assert (record.value, record.headers) == (b"\x00\xffvalue", headers)

    async def test_a_partition_keeps_the_order_of_calls(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            for n in range(0, 300, 3):
                bus.append([out(topics[0], b"%d" % n), out(topics[0], b"%d" % (n + 1))], lazy=n % 2 == 0)
                bus.publish(out(topics[0], b"%d" % (n + 2)))
            await got.until(300)
            assert got.values == numbered(300)
            offsets = [record.offset for record in got.records]
            assert offsets == sorted(set(offsets))

    async def test_a_lazy_append_needs_no_company_to_arrive(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            bus.append([out(topics[0], b"lazy")], lazy=True)
            await got.until(1)

    async def test_every_key_keeps_its_partition(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name], got))
            keys = [b"session-%d" % n for n in range(40)]
            bus.append([out(topics[0], value, key) for value in numbered(3) for key in keys])
            await got.until(120)
            for key in keys:
                own = [record for record in got.records if record.key == key]
                assert [record.value for record in own] == numbered(3)
                assert {record.partition for record in own} == {partition_of(key, 4)}
            assert {record.partition for record in got.records} == {0, 1, 2, 3}

    async def test_nothing_is_delivered_while_paused(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got, witness = Collector(), Collector()
            subscription = bus.subscribe("g", [topics[0].name], got)
            bus.subscribe("w", [topics[0].name], witness)
            bus.append([out(topics[0], b"0")])
            await got.until(1)
            subscription.pause()
            bus.append([out(topics[0], value) for value in numbered(1500, 1)])
            await witness.until(1501)
            assert got.values == [b"0"]
            subscription.resume()
            await got.until(1501)
            assert got.values == numbered(1501)

    async def test_a_short_pause_loses_nothing(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got, witness = Collector(), Collector()
            subscription = bus.subscribe("g", [topics[0].name], got)
            bus.subscribe("w", [topics[0].name], witness)
            for round_ in range(20):
                subscription.pause()
                bus.append([out(topics[0], value) for value in numbered(5, round_ * 5)])
                await witness.until(round_ * 5 + 3)
                subscription.resume()
            await got.until(100)
            assert got.values == numbered(100)

    async def test_a_delivery_may_pause_its_subscription(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            bus.append([out(topics[0], value) for value in numbered(700)])
            await bus.flush()
            subscription = bus.subscribe("g", [topics[0].name], got)
            got.on_records = lambda records: subscription.pause()
            while len(got.records) < 700:
                seen = len(got.records)
                subscription.resume()
                await got.until(seen + 1)
            assert got.values == numbered(700)

    async def test_nothing_is_delivered_after_stop(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got, witness = Collector(), Collector()
            subscription = bus.subscribe("g", [topics[0].name], got)
            bus.subscribe("w", [topics[0].name], witness)
            await ready(subscription)
            await subscription.stop()
            await bus.publish(out(topics[0], b"late"))
            await witness.until(1)
            assert got.records == []

    async def test_a_delivery_may_be_the_last(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            bus.append([out(topics[0], value) for value in numbered(2000)])
            subscription = bus.subscribe("g", [topics[0].name], got)
            await got.until(1)
            await subscription.stop()
            seen = len(got.records)
            await bus.publish(out(topics[0], b"late"))
            assert len(got.records) == seen

    async def test_caught_up_waits_for_the_backlog(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            bus.append([out(topics[0], value, b"%d" % (int(value) % 7)) for value in numbered(3000)])
            await bus.flush()
            got = Collector()
            await ready(bus.subscribe("g", [topics[0].name, topics[1].name], got))
            assert sorted(map(int, got.values)) == list(range(3000))

    async def test_a_delivery_may_append(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:

            def pass_on(records: list[Record]) -> None:
                bus.append([out(topics[1], record.value) for record in records])

            got = Collector()
            bus.subscribe("pass", [topics[0].name], pass_on)
            bus.subscribe("g", [topics[1].name], got)
            bus.append([out(topics[0], value) for value in numbered(100)])
            await got.until(100)
            assert got.values == numbered(100)

    async def test_what_comes_during_catching_up_comes_once_and_in_order(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            extra = iter(numbered(500, 2000))

            def more(_records: object) -> None:
                bus.append([out(topics[0], value) for _, value in zip(range(50), extra, strict=False)])

            got = Collector()
            got.on_records = more
            bus.append([out(topics[0], value) for value in numbered(2000)])
            bus.subscribe("g", [topics[0].name], got)
            while len(got.records) < 2500:
                bus.append([out(topics[0], value) for value in extra])
                await got.until(len(got.records) + 1)
            assert got.values == numbered(2500)

    async def test_a_large_record_passes(self, open_bus: OpenBus, topics: Any) -> None:
        async with opened(open_bus, topics) as bus:
            got = Collector()
            bus.subscribe("g", [topics[0].name], got)
            value = bytes(range(256)) * 3500
            await bus.publish(out(topics[0], value))
            await got.until(1)
            assert got.values == [value]

    async def test_a_failing_delivery_does_not_stop_the_others(self, open_bus: OpenBus, topics: Any) -> None:
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context))

        def fail(_records: list[Record]) -> None:
            raise RuntimeError("no")

        async with opened(open_bus, topics) as bus:
            got = Collector()
            bus.subscribe("bad", [topics[0].name], fail)
            bus.subscribe("good", [topics[0].name], got)
            bus.append([out(topics[0], b"a")])
            await got.until(1)
            bus.append([out(topics[0], b"b")])
            await got.until(2)
            assert got.values == [b"a", b"b"]
            async with asyncio.timeout(20):  # nothing says which group is served first
                while not seen:
                    await asyncio.sleep(0.01)
        assert all(isinstance(context["exception"], RuntimeError) for context in seen)
