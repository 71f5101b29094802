"""What the bus says and does where the broker, its address or its topics are not as they should be."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import create_server

import pytest

from parlance.bus import Out
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import TopicInfo
from tests.contract.bus_suite_tools import Collector, numbered, opened, out, until
from tests.contract.kafka_tools import create, fresh, opener, started
from tests.ports import free_port

pytestmark = pytest.mark.kafka
aiokafka = pytest.importorskip("aiokafka")

from parlance.bus_kafka import KafkaBus  # noqa: E402 - only where its client is installed


@pytest.mark.parametrize("url", ["kafka://", "kafka://host", "kafka://host:0", "http://h:1", "kafka://h:70000", "x:1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"kafka://HOST:PORT"):
        KafkaBus(url)


async def test_an_absent_broker_is_said_at_start_with_what_to_do() -> None:
    bus = KafkaBus(f"kafka://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match=r"no Kafka broker answers at kafka://127.*make kafka.*PARLANCE_BUS"):
        await bus.start()
    with pytest.raises(Unavailable, match="start the bus"):
        bus.append([])


async def test_one_absent_broker_of_several_does_no_harm(kafka_url: str) -> None:
    bus = KafkaBus(f"kafka://127.0.0.1:{free_port()},{kafka_url.removeprefix('kafka://')}")
    await bus.start()
    await bus.stop()


async def test_what_answers_nothing_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parlance.kafka_client._REQUEST_MS", 1000)
    silent = create_server(("127.0.0.1", 0))
    with closing(silent), pytest.raises(Unavailable, match="no Kafka broker answers"):
        await KafkaBus(f"kafka://127.0.0.1:{silent.getsockname()[1]}").start()


@pytest.fixture
def web_server() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def test_another_program_at_the_address_is_no_broker(web_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parlance.kafka_client._REQUEST_MS", 1000)
    with pytest.raises(Unavailable, match="no Kafka broker answers"):
        await KafkaBus(f"kafka://127.0.0.1:{web_server}").start()


async def test_a_missing_topic_is_said_at_start_with_what_to_type(kafka_url: str) -> None:
    topics = fresh(2)
    await create(kafka_url, topics[0])
    with pytest.raises(
        Unavailable, match=rf"has no topic {topics[1].name}; type: parlance topics apply --bus kafka://"
    ):
        await started(KafkaBus(kafka_url), topics)


async def test_another_number_of_partitions_is_said_at_start(kafka_url: str) -> None:
    topic = fresh(1)[0]
    await create(kafka_url, replace(topic, partitions=6))
    with pytest.raises(Unavailable, match=rf"{topic.name} has 6 partitions at kafka://.*but 4 are declared"):
        await started(KafkaBus(kafka_url), [topic])


async def test_what_is_appended_to_a_topic_that_is_missing_waits_for_it(kafka_url: str) -> None:
    topics = fresh(2)
    await create(kafka_url, topics[0])
    async with opened(opener(kafka_url), topics) as bus:
        bus.append([out(topics[1], b"1")])
        bus.append([out(topics[0], b"2")])
        await until(lambda: topics[1].name in bus.failed and "parlance topics apply" in bus.failed)
        await create(kafka_url, topics[1])
        await bus.flush()
        assert bus.failed == ""
        got = Collector()
        bus.subscribe(None, [t.name for t in topics], got, from_us=0)
        await got.until(2)
        assert sorted(got.values) == [b"1", b"2"]


@pytest.fixture
async def topic(kafka_url: str) -> TopicInfo:
    made = fresh(1)[0]
    await create(kafka_url, made)
    return made


async def test_an_event_over_the_limit_is_refused_where_it_is_appended(kafka_url: str, topic: TopicInfo) -> None:
    async with opened(opener(kafka_url), [topic]) as bus:
        with pytest.raises(InvalidRequest, match=rf"an event of 1000\d\d\d bytes for {topic.name} is over the limit"):
            bus.append([out(topic, bytes(1_000_000))])
        with pytest.raises(InvalidRequest):
            bus.publish(out(topic, bytes(2_000_000)))
        assert (await bus.publish(out(topic, bytes(999_000)))).offset == 0
        assert bus.failed == ""


async def test_what_the_broker_refuses_does_not_spoil_its_neighbours(kafka_url: str) -> None:
    """The refused record shares its batch with good ones."""
    topic = await _limited(kafka_url, 10_000)
    async with opened(opener(kafka_url), [topic]) as bus:
        futures = [bus.publish(out(topic, value)) for value in numbered(5)]
        bad = bus.publish(out(topic, bytes(60_000)))
        futures += [bus.publish(out(topic, value)) for value in numbered(5, 5)]
        with pytest.raises(Unavailable, match=rf"refuses an event for {topic.name} \(MessageSizeTooLargeError\)"):
            await bad
        await asyncio.gather(*futures)
        records = [r for p in range(4) for r in await bus.read(topic.name, p, 0)]
        assert [r.value for r in records] == numbered(10)
        assert (await bus.publish(out(topic, b"after"))).offset == 10


async def test_a_refused_event_that_nobody_waits_for_shows_in_failed(kafka_url: str) -> None:
    topic = await _limited(kafka_url, 10_000)
    seen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context["exception"]))
    async with opened(opener(kafka_url), [topic]) as bus:
        bus.append([out(topic, bytes(60_000))])
        await bus.flush()
        assert "refuses an event" in bus.failed and len(seen) == 1


async def test_a_reader_without_group_begins_where_it_was_asked_for_in_the_order_of_calls(
    kafka_url: str, topic: TopicInfo
) -> None:
    async with opened(opener(kafka_url), [topic]) as bus:
        for n in range(0, 40, 2):
            bus.append([out(topic, b"%d" % n)])
            got = Collector()
            sub = bus.subscribe(None, [topic.name], got)
            bus.append([out(topic, b"%d" % (n + 1))])
            await got.until(1)
            assert got.values == [b"%d" % (n + 1)]
            await sub.stop()


async def test_reading_what_is_not_there_is_refused_or_empty(kafka_url: str, topic: TopicInfo) -> None:
    async with opened(opener(kafka_url), [topic]) as bus:
        record = await bus.publish(Out(topic.name, 1, b"", b"1"))
        with pytest.raises(ValueError, match="partitions"):
            await bus.read(topic.name, 4, 0)
        with pytest.raises(ValueError, match="declared"):
            await bus.end("absent.v1", 0)
        assert await bus.read(topic.name, 1, 99) == []
        assert await bus.read(topic.name, 1, 0, 0) == []
        assert await bus.read(topic.name, 1, 0) == [record]


async def _limited(url: str, size: int) -> TopicInfo:
    """A topic whose own limit is lower than ours."""
    from parlance import kafka_address
    from parlance.kafka_topics import Topics

    made = fresh(1)[0]
    async with Topics(kafka_address.parse(url)) as cluster:
        asked = cluster._new(made, 1)
        asked.topic_configs["max.message.bytes"] = str(size)
        await cluster._admin.create_topics([asked])
        await cluster._led({made.name: made.partitions})
    return made
