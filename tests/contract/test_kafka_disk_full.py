"""A broker whose disk is full: it shuts itself down. What was appended is kept within its bound, and goes on when the
broker is back with room, once and in order."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from parlance.errors import Unavailable
from tests import kafka_broker
from tests.contract.bus_suite_tools import numbered, opened, out, until
from tests.contract.kafka_tools import create, fresh, opener
from tests.kafka_broker import Broker, MavenBroker, broker
from tests.small_disk import fill, small_disk

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
HELD = 300


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if kafka_broker.kind() == "docker":
        pytest.skip("the broker's disk is in a container: PARLANCE_TEST_DOCKER=no takes Maven's")
    with small_disk(tmp_path / "disk", 48) as made:
        yield made


@pytest.fixture
def own_broker(disk: Path) -> Iterator[Broker]:
    made = broker(disk / "broker")
    made.start()
    yield made
    (disk / "junk").unlink(missing_ok=True)
    made.forget()


async def test_what_a_full_broker_does_not_take_is_kept_and_sent_when_it_has_room(
    disk: Path, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parlance.kafka_sender.HELD_EVENTS", HELD)
    topic = fresh(1)[0]
    await create(own_broker.url, topic)
    async with opened(opener(own_broker.url), [topic]) as bus:
        sent = numbered(10)
        for value in sent:
            await bus.publish(out(topic, value))
        fill(disk / "junk")
        while not bus.failed:  # it still has some room in the blocks that it has begun
            sent.append(b"%d" % len(sent))
            bus.append([out(topic, sent[-1] + bytes(4096))])
            await asyncio.sleep(0.05)
        assert "has not answered for" in bus.failed and "are sent when it is back; check the broker" in bus.failed
        with pytest.raises(Unavailable, match=rf"{HELD} events wait"):
            for _ in range(HELD + 1):
                value = b"%d" % len(sent)
                bus.append([out(topic, value)])
                sent.append(value)
        (disk / "junk").unlink()
        assert isinstance(own_broker, MavenBroker)
        await until(lambda: not own_broker.runs())
        await asyncio.to_thread(own_broker.start)
        await bus.flush()
        await until(lambda: bus.failed == "")
        records = [r for p in range(topic.partitions) for r in await bus.read(topic.name, p, 0)]
        assert [r.value.rstrip(b"\0") for r in records] == sent
