"""A service is ready as soon as it knows what it must know: it waits for no fetch that finds nothing."""

import asyncio
from functools import partial

import pytest

from parlance import kafka_client, kafka_subscription
from parlance.bus import Out
from parlance.bus_kafka import KafkaBus
from tests.contract.kafka_tools import create, fresh, started

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_client")]
_FETCH_S = 8.0


@pytest.mark.parametrize("records", [0, 3])
async def test_whoever_reads_a_topic_from_its_beginning_is_caught_up_before_the_first_fetch_of_nothing_ends(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    patient = partial(kafka_client.consumer, fetch_wait_ms=int(_FETCH_S * 1000))
    monkeypatch.setattr(kafka_subscription, "consumer", patient)
    topics = fresh()
    await create(kafka_url, *topics)
    bus = await started(KafkaBus(kafka_url), topics)
    got: list[bytes] = []
    try:
        for n in range(records):
            bus.append([Out(topics[0].name, 0, b"key", b"%d" % n, ())])
        subscription = bus.subscribe(None, [topics[0].name], lambda all: got.extend(r.value for r in all), from_us=0)
        async with asyncio.timeout(_FETCH_S / 2):
            await subscription.caught_up()
        assert got == [b"%d" % n for n in range(records)]
    finally:
        await bus.stop()
