"""Rows in PostgreSQL, events on a real Kafka: whatever dies in between, the events of a committed row arrive, in the
order of their key."""

import asyncio
import os
import random
import subprocess
import sys
import uuid
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg
import pytest

from parlance.errors import InvalidRequest
from parlance.events import TopicInfo
from parlance.store import Conflict
from tests.contract.bus_suite_tools import numbered, out, until
from tests.contract.kafka_tools import create, fresh
from tests.contract.postgres_tools import relayed
from tests.kafka_broker import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
pytest.importorskip("aiokafka")
pytest.importorskip("psycopg")

from parlance.bus_kafka import KafkaBus  # noqa: E402 - only where its client is installed
from parlance.store_postgres import PostgresStore  # noqa: E402


@pytest.fixture
async def topic(kafka_url: str) -> TopicInfo:
    made = fresh(1)[0]
    await create(kafka_url, made)
    return made


@pytest.fixture
def opened(kafka_url: str, database_url: str, topic: TopicInfo) -> Any:
    def open_one() -> AbstractAsyncContextManager[Any]:
        return relayed(database_url, KafkaBus(kafka_url, prefix=f"{uuid.uuid4().hex[:8]}."), [topic])

    return open_one


async def values(bus: Any, topic: TopicInfo) -> list[bytes]:
    return [r.value for p in range(4) for r in await bus.read(topic.name, p, 0, 100_000)]


def left(url: str) -> int:
    """Events in the outbox."""
    with psycopg.connect(url) as db:
        return int(db.execute("SELECT count(*) FROM parlance_outbox").fetchone()[0])


async def test_saves_and_appends_reach_kafka_in_the_order_of_calls(
    opened: Any, topic: TopicInfo, database_url: str
) -> None:
    async with opened() as bus:
        store = PostgresStore(bus)
        for n in range(0, 300, 3):
            store.save("stage", "s", n // 3, b"row", None, [out(topic, b"%d" % n)])
            bus.append([out(topic, b"%d" % (n + 1))], lazy=n % 2 == 0)
            bus.publish(out(topic, b"%d" % (n + 2)))
        await bus.flush()
        assert await values(bus, topic) == numbered(300)
        await until(lambda: left(database_url) == 0)


async def test_a_refused_save_publishes_nothing(opened: Any, topic: TopicInfo) -> None:
    async with opened() as bus:
        await PostgresStore(bus).save("stage", "s", 0, b"row", None, [out(topic, b"0")])
        with pytest.raises(Conflict):
            await PostgresStore(bus).save("stage", "s", 0, b"other", None, [out(topic, b"lost")])
        await bus.flush()
        assert await values(bus, topic) == [b"0"]


async def test_an_event_over_the_limit_in_a_save_stops_nobody_and_is_kept(
    opened: Any, topic: TopicInfo, database_url: str
) -> None:
    async with opened() as bus:
        with pytest.raises(InvalidRequest, match="over the limit"):
            bus.append([out(topic, bytes(1_000_001))])
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        await PostgresStore(bus).save("s", "s", 0, b"row", None, [out(topic, bytes(1_000_001)), out(topic, b"after")])
        await bus.flush()
        assert await values(bus, topic) == [b"after"]
        assert isinstance(told[0], InvalidRequest) and "refused and is not on Kafka" in bus.failed
        await until(lambda: left(database_url) == 1)


async def test_who_loads_a_row_sends_first_what_its_last_owner_could_not(
    opened: Any, topic: TopicInfo, database_url: str, kafka_url: str
) -> None:
    died = process(database_url, kafka_url, topic, "unsent", "s")
    assert died.wait(30) == -9
    died.stdout.close()
    async with opened() as bus:
        assert await values(bus, topic) == [] and left(database_url) == 1
        assert await PostgresStore(bus).load("stage", "s") == (1, b"2")
        assert await values(bus, topic) == [b"0"], "before the load returns"
        await until(lambda: left(database_url) == 0)


async def test_what_nobody_loads_is_swept_up_once_by_one_of_several(
    opened: Any, topic: TopicInfo, database_url: str, kafka_url: str
) -> None:
    for session in ("a", "b", "c"):
        died = process(database_url, kafka_url, topic, "unsent", session)
        assert died.wait(30) == -9
        died.stdout.close()
    async with opened() as bus, opened() as other:
        assert left(database_url) == 3
        await until(lambda: left(database_url) == 0)
        assert sorted(await values(bus, topic)) == sorted(await values(other, topic)) == [b"0"] * 3


async def test_after_kill_9_at_random_points_kafka_has_what_the_rows_say(
    opened: Any, topic: TopicInfo, database_url: str, kafka_url: str
) -> None:
    dice = random.Random(9)
    for _ in range(4):
        running = process(database_url, kafka_url, topic, "on", "s")
        assert running.stdout.readline()
        await asyncio.sleep(dice.uniform(0, 0.4))
        running.kill()
        running.wait()
        running.stdout.close()
    async with opened() as bus:
        version, row = await PostgresStore(bus).load("stage", "s")
        await bus.flush()
        got = [int(v) for v in await values(bus, topic)]
    saved = set(range(0, int(row or b"0"), 2))
    # The appends beside the saves follow them: the last one of each life may not have been written.
    assert saved <= set(got) and version == len(saved) > 0
    first = list(dict.fromkeys(got))
    assert first == sorted(first), "an event is first seen in its order"
    print(f"{version} saves in 4 lives, {len(got) - len(first)} events twice")


def process(database: str, kafka: str, topic: TopicInfo, how: str, session: str) -> Any:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.postgres_process", database, kafka, topic.name, how, session],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["libs", ".", os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        text=True,
    )
