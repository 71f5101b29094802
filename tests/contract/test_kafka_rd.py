"""librdkafka's part alone, on the cluster that it plays itself: records by their places, and errors as aiokafka's."""

import asyncio
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("confluent_kafka")
pytest.importorskip("aiokafka")

from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from confluent_kafka import KafkaError, Producer

from parlance.kafka_address import Address
from parlance.kafka_feed import MOST
from parlance.kafka_rd import error_of
from parlance.kafka_rd_reading import Reading

PLACE = ("t", 0)


@pytest.fixture
async def reading() -> AsyncIterator["Read"]:
    found = Read()
    yield found
    await found.end()


class Read:
    """A topic with one partition of a cluster that lives as long as this, and a reading of it."""

    def __init__(self) -> None:
        self._home = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        found = self._home.list_topics("t", timeout=10)
        (broker,) = found.brokers.values()
        self.news = asyncio.Event()
        self.of = Reading(Address((f"{broker.host}:{broker.port}",)), "g", self.news.set)
        self.of.start()

    def put(self, *values: bytes) -> None:
        for value in values:
            self._home.produce("t", value, b"k", 0, headers=[("h", b"1")])
        assert self._home.flush(10) == 0

    async def values(self, number: int, count: int) -> list[bytes]:
        """What comes under this number, until it is so many."""
        found: list[bytes] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                await self.news.wait()
                self.news.clear()
                records, _ = self.of.taken(number)
                found += [r.value for r in records.get(PLACE, ())]
        return found

    async def end(self) -> None:
        self.of.end()
        async with asyncio.timeout(10):
            await self.of.ended.wait()


async def test_what_is_read_begins_where_it_was_said(reading: Read) -> None:
    reading.put(b"0", b"1", b"2")
    reading.of.read(1, {PLACE: 1})
    assert await reading.values(1, 2) == [b"1", b"2"]
    reading.put(b"3")
    assert await reading.values(1, 1) == [b"3"]
    async with asyncio.timeout(5):
        while reading.of.end_of(PLACE) != 4:
            await asyncio.sleep(0.01)


async def test_nothing_comes_of_what_is_not_read_any_more(reading: Read) -> None:
    reading.put(b"0", b"1")
    reading.of.read(1, {PLACE: 0})
    async with asyncio.timeout(10):
        await reading.news.wait()
    reading.of.read(2, {PLACE: 1})
    assert await reading.values(2, 1) == [b"1"]


async def test_what_nobody_takes_is_bounded_and_all_of_it_comes(reading: Read) -> None:
    values = [b"%d" % n for n in range(10 * MOST)]
    reading.put(*values)
    reading.of.read(1, {PLACE: 0})
    await asyncio.sleep(0.5)
    assert sum(map(len, reading.of._records.values())) <= MOST
    assert await reading.values(1, len(values)) == values


async def test_the_end_is_told_where_there_is_nothing_to_read(reading: Read) -> None:
    reading.put(b"0")
    reading.of.read(1, {PLACE: 1})
    async with asyncio.timeout(10):
        await reading.news.wait()
    assert reading.of.taken(1) == ({}, {PLACE: 1})


def test_errors_of_the_broker_are_those_of_its_protocol_and_others_are_of_the_connection() -> None:
    assert isinstance(error_of(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)), TopicAuthorizationFailedError)
    assert isinstance(error_of(KafkaError(KafkaError._TRANSPORT)), KafkaConnectionError)
