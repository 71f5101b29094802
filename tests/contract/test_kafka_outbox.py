"""Rows in SQLite, events on Kafka: whatever dies in between, each event of a committed row arrives, in order."""

import asyncio
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import InvalidRequest
from parlance.events import TopicInfo
from parlance.store import Conflict
from parlance.store_sqlite import SqliteStore
from tests.contract.bus_suite_tools import numbered, opened, out
from tests.contract.kafka_tools import create, fresh
from tests.kafka_broker import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_client")]
pytest.importorskip("aiokafka")

from parlance.bus_kafka import KafkaBus  # noqa: E402 - only where its client is installed
from parlance.bus_outbox import OutboxBus  # noqa: E402


@pytest.fixture
async def topic(kafka_url: str) -> TopicInfo:
    made = fresh(1)[0]
    await create(kafka_url, made)
    return made


def bus_of(url: str, home: Path, topic: TopicInfo) -> Any:
    async def open_bus() -> OutboxBus:
        bus = OutboxBus(home / "rows.db", KafkaBus(url, prefix=f"{uuid.uuid4().hex[:8]}."))
        bus.declare([topic])
        await bus.start()
        return bus

    return open_bus


async def values(bus: Any, topic: TopicInfo) -> list[bytes]:
    return [r.value for p in range(4) for r in await bus.read(topic.name, p, 0, 100_000)]


async def test_saves_and_appends_reach_kafka_in_the_order_of_calls(
    kafka_url: str, tmp_path: Path, topic: TopicInfo
) -> None:
    async with opened(bus_of(kafka_url, tmp_path, topic), [topic]) as bus:
        store = SqliteStore(bus.rows)
        for n in range(0, 300, 3):
            store.save("stage", "s", n // 3, b"row", None, [out(topic, b"%d" % n)])
            bus.append([out(topic, b"%d" % (n + 1))], lazy=n % 2 == 0)
            bus.publish(out(topic, b"%d" % (n + 2)))
        await bus.flush()
        assert await values(bus, topic) == numbered(300)


async def test_a_refused_save_publishes_nothing(kafka_url: str, tmp_path: Path, topic: TopicInfo) -> None:
    async with opened(bus_of(kafka_url, tmp_path, topic), [topic]) as bus:
        store = SqliteStore(bus.rows)
        await store.save("stage", "s", 0, b"row", None, [out(topic, b"0")])
        with pytest.raises(Conflict):
            await SqliteStore(bus.rows).save("stage", "s", 0, b"other", None, [out(topic, b"lost")])
        await bus.flush()
        assert await values(bus, topic) == [b"0"]


async def test_an_event_over_the_limit_is_refused_and_one_in_a_save_stops_nobody(
    kafka_url: str, tmp_path: Path, topic: TopicInfo
) -> None:
    async with opened(bus_of(kafka_url, tmp_path, topic), [topic]) as bus:
        with pytest.raises(InvalidRequest, match="over the limit"):
            bus.append([out(topic, bytes(1_000_001))])
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        store = SqliteStore(bus.rows)
        await store.save("stage", "s", 0, b"row", None, [out(topic, bytes(1_000_001)), out(topic, b"after")])
        await bus.flush()
        assert await values(bus, topic) == [b"after"]
        assert isinstance(told[0], InvalidRequest) and "refused and is not on Kafka" in bus.failed


async def test_a_row_whose_process_died_before_its_events_were_sent_sends_them_at_the_next_start(
    kafka_url: str, tmp_path: Path, topic: TopicInfo
) -> None:
    died = process(tmp_path, kafka_url, topic, "unsent")
    assert died.wait(30) == -9
    died.stdout.close()
    async with opened(bus_of(kafka_url, tmp_path, topic), [topic]) as bus:
        assert await values(bus, topic) == [b"0", b"1"]
        assert await SqliteStore(bus.rows).load("stage", "s") == (1, b"row")
        await bus.flush()
    async with opened(bus_of(kafka_url, tmp_path, topic), [topic]) as bus:
        assert await values(bus, topic) == [b"0", b"1"], "what was acknowledged is not sent again"


async def test_after_kill_9_at_random_points_kafka_has_what_the_rows_say(
    kafka_url: str, tmp_path: Path, topic: TopicInfo
) -> None:
    dice = random.Random(9)
    for _ in range(4):
        running = process(tmp_path, kafka_url, topic, "on")
        assert running.stdout.readline()
        await asyncio.sleep(dice.uniform(0, 0.4))
        running.kill()
        running.wait()
        running.stdout.close()
    async with opened(bus_of(kafka_url, tmp_path, topic), [topic]) as bus:
        version, row = await SqliteStore(bus.rows).load("stage", "s")
        got = [int(v) for v in await values(bus, topic)]
    saved = {n for n in range(0, int(row or b"0"), 2)}
    # The appends beside the saves follow them: the last one of each life may not have been written.
    assert saved <= set(got) and version == len(saved) > 0
    first = list(dict.fromkeys(got))
    assert first == sorted(first), "an event is first seen in its order"
    print(f"{version} saves in 4 lives, {len(got) - len(first)} events twice")


def process(home: Path, url: str, topic: TopicInfo, how: str) -> Any:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.outbox_process", home, url, topic.name, how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["libs", ".", os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        text=True,
    )
