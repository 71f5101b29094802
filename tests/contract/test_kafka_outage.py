"""A broker that dies, comes back or stands still: what was appended arrives once and in order, and `failed` tells."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from parlance.errors import Unavailable
from parlance.events import TopicInfo
from tests.contract.bus_suite_tools import Collector, numbered, opened, out, ready, until
from tests.contract.kafka_tools import create, fresh, opener, started
from tests.kafka_broker import Broker, broker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240), pytest.mark.usefixtures("each_client")]
# KAFKA_OUTAGE_S=60 for the long form; the broker's restart comes on top.
OUTAGE_S = float(os.environ.get("KAFKA_OUTAGE_S", "2"))


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Not the one that other tests use: this one is ill-treated."""
    made = broker(tmp_path_factory.mktemp("outage") / "broker")
    made.start()
    yield made
    made.forget()


@pytest.fixture
async def topic(own_broker: Broker) -> AsyncIterator[TopicInfo]:
    async with asyncio.timeout(30):
        while True:  # the test before may have frozen it for so long that its own controller gave it up
            made = fresh(1)[0]
            try:
                await create(own_broker.url, made)
                break
            except Unavailable:
                await asyncio.sleep(0.2)
    yield made


async def test_an_outage_loses_doubles_and_reorders_nothing(own_broker: Broker, topic: TopicInfo) -> None:
    async with opened(opener(own_broker.url), [topic]) as bus:
        got = Collector()
        sub = bus.subscribe("g", [topic.name], got)
        await ready(sub)
        bus.append([out(topic, value) for value in numbered(100)])
        await got.until(100)
        await asyncio.to_thread(own_broker.kill)
        loop = asyncio.get_running_loop()
        began = loop.time()
        bus.append([out(topic, value) for value in numbered(100, 100)])
        last = bus.publish(out(topic, b"200"))
        await until(lambda: bus.failed != "")
        noticed = loop.time() - began
        assert noticed < 6
        assert "has not answered for" in bus.failed and "101 events wait here" in bus.failed
        while loop.time() - began < OUTAGE_S:
            bus.append([out(topic, b"%d" % (201 + int((loop.time() - began) * 1000)))])
            await asyncio.sleep(0.1)
        await asyncio.to_thread(own_broker.start)
        back = loop.time()
        record = await last
        took = loop.time() - back
        await bus.flush()
        await until(lambda: bus.failed == "")
        values = [int(r.value) for p in range(4) for r in await bus.read(topic.name, p, 0)]
        assert values[:201] == list(range(201)) and values == sorted(set(values)) and record.offset == 200
        # The broker may have forgotten its members: then what was not committed comes again.
        await until(lambda: len(set(got.values)) == len(values))
        assert [int(v) for v in dict.fromkeys(got.values)] == values
        print(
            f"noticed after {noticed:.1f} s, away {back - began:.0f} s, the first answer {took:.1f} s after it was back"
        )


async def test_a_broker_that_stands_still_is_noticed_and_waited_for(own_broker: Broker, topic: TopicInfo) -> None:
    async with opened(opener(own_broker.url), [topic]) as bus:
        got = Collector()
        await ready(bus.subscribe(None, [topic.name], got))
        own_broker.freeze()
        bus.append([out(topic, value) for value in numbered(50)])
        await until(lambda: "has not answered for" in bus.failed)
        own_broker.thaw()
        await got.until(50)
        await until(lambda: bus.failed == "")
        assert got.values == numbered(50)


async def test_what_waits_has_a_bound_and_beyond_it_is_refused(
    own_broker: Broker, topic: TopicInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parlance.kafka_sender.HELD_EVENTS", 100)
    async with opened(opener(own_broker.url), [topic]) as bus:
        own_broker.freeze()
        try:
            with pytest.raises(Unavailable, match="100 events"):
                for value in numbered(101):
                    bus.append([out(topic, value)])
        finally:
            own_broker.thaw()
        await bus.flush()
        bus.append([out(topic, b"100")])
        await bus.flush()
        records = [r.value for p in range(4) for r in await bus.read(topic.name, p, 0)]
        assert records == numbered(101)


async def test_who_waits_for_an_acknowledgement_is_told_that_none_comes(
    own_broker: Broker, topic: TopicInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parlance.kafka_sender.PUBLISH_S", 1.0)
    async with opened(opener(own_broker.url), [topic]) as bus:
        own_broker.freeze()
        try:
            with pytest.raises(Unavailable, match="has not answered"):
                await bus.publish(out(topic, b"1"))
        finally:
            own_broker.thaw()
        await bus.publish(out(topic, b"2"))


async def test_ending_without_a_broker_says_how_much_is_lost(
    own_broker: Broker, topic: TopicInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parlance.bus_kafka.STOP_S", 1.0)
    from parlance.bus_kafka import KafkaBus

    bus = await started(KafkaBus(own_broker.url), [topic])
    got = Collector()
    await ready(bus.subscribe("g", [topic.name], got))
    await asyncio.to_thread(own_broker.kill)
    try:
        bus.append([out(topic, value) for value in numbered(7)])
        await until(lambda: bus.failed != "")
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match="7 events could not be written to Kafka at kafka://"):
            await bus.stop()
        assert asyncio.get_running_loop().time() - began < 15
    finally:
        await asyncio.to_thread(own_broker.start)
