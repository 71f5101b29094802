"""Connections that are reset, under the event loop that the services use, and tasks of Kafka's client that have ended:
nobody stands still for it, nothing is lost, and nothing comes twice where there is no group."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from parlance.events import TopicInfo
from parlance.kafka_address import HELD_EVENTS
from tests.chaos.proxy import Proxy
from tests.contract.bus_suite_tools import Collector, numbered, opened, out, ready, until
from tests.contract.kafka_tools import create, fresh, opener
from tests.kafka_broker import broker
from tests.ports import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
CUTS, TICKS_S = 60, 0.004


@contextmanager
def _cut_off(folder: Path) -> Iterator[tuple[str, Any]]:
    """The url of a broker behind a proxy, which runs in a loop of its own, and what cuts all of its connections."""
    port, told = free_port(), free_port()
    made, proxy = broker(folder / "broker", port, told), Proxy(told, port)
    made.start()
    try:
        with asyncio_loop() as run:
            run(proxy.start())
            try:
                yield made.url, lambda: run(_reset(proxy))
            finally:
                run(proxy.stop())
    finally:
        made.forget()


async def _reset(proxy: Proxy) -> None:
    proxy.cut()


@contextmanager
def asyncio_loop() -> Iterator[Any]:
    """Runs coroutines in a thread's loop, one after the other, and returns what they return."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _storm(url: str, cut: Any) -> None:
    """Right after a cut everybody writes, in each tick of the loop."""
    topic, dice, sent = fresh(1)[0], random.Random(1), 0
    await create(url, topic)
    async with opened(opener(url), [topic]) as bus:
        shared, alone = Collector(), Collector()
        subs = bus.subscribe("g", [topic.name], shared), bus.subscribe(None, [topic.name], alone)
        for sub in subs:
            await ready(sub)
        for count in range(CUTS):
            cut()
            until_ = time.perf_counter() + TICKS_S
            while time.perf_counter() < until_:
                bus.append([out(topic, b"%d" % sent)])
                sent += 1
                await asyncio.sleep(0)
            await until(lambda: bus.unsent() < HELD_EVENTS // 2)
            await asyncio.sleep(0.3 if count % 10 == 9 else dice.choice((0.002, 0.01, 0.04)))
        await bus.flush()
        for got in (shared, alone):
            await until(lambda found=got: len(set(found.values)) == sent)  # type: ignore[misc]
        assert alone.values == numbered(sent) and list(dict.fromkeys(shared.values)) == numbered(sent)
        await until(lambda: bus.failed == "")


@pytest.mark.usefixtures("each_client")
def test_connections_that_are_reset_again_and_again_stop_nobody(tmp_path: Path) -> None:
    """The services' loop, not the tests': what is written to a connection that is gone raises there."""
    with _cut_off(tmp_path) as (url, cut):
        uvloop.run(_storm(url, cut))


@pytest.fixture
async def topic(kafka_url: str) -> AsyncIterator[TopicInfo]:
    made = fresh(1)[0]
    await create(kafka_url, made)
    yield made


async def _die(holder: Any, task: str) -> None:
    """Of what nobody has foreseen."""

    async def died() -> None:
        raise IndexError("nobody has foreseen it")

    getattr(holder, task).cancel()
    await asyncio.wait([getattr(holder, task)])
    setattr(holder, task, asyncio.get_running_loop().create_task(died()))
    await asyncio.wait([getattr(holder, task)])


@pytest.mark.parametrize("group", ["g", None])
@pytest.mark.parametrize("part", ["_client._sync_task", "_fetcher._fetch_task", "_coordinator._coordination_task"])
async def test_a_subscription_whose_client_has_died_goes_on_with_another(
    kafka_url: str, topic: TopicInfo, group: str | None, part: str
) -> None:
    holder, task = part.split(".")
    async with opened(opener(kafka_url), [topic]) as bus:
        got = Collector()
        sub: Any = bus.subscribe(group, [topic.name], got)
        await ready(sub)
        dead = sub._consumer
        if not hasattr(getattr(dead, holder), task):
            pytest.skip("who reads without a group has no such task")
        bus.append([out(topic, value) for value in numbered(100)])
        await got.until(100)
        await _die(getattr(dead, holder), task)
        bus.append([out(topic, value) for value in numbered(100, 100)])
        await until(lambda: sub._consumer not in (None, dead) and bus.failed == "")
        await ready(sub)
        await until(lambda: len(set(got.values)) == 200)
        assert list(dict.fromkeys(got.values)) == numbered(200) and (group or got.values == numbered(200))
        assert bus.failed == ""


@pytest.mark.parametrize("part", ["client._sync_task", "_sender._sender_task"])
async def test_a_producer_that_has_died_is_followed_by_another(kafka_url: str, topic: TopicInfo, part: str) -> None:
    holder, task = part.split(".")
    async with opened(opener(kafka_url), [topic]) as bus:
        await bus.publish(out(topic, b"0"))
        dead = bus._sender.client
        await _die(getattr(dead, holder), task)
        bus.append([out(topic, value) for value in numbered(99, 1)])
        await until(lambda: bus._sender.client not in (None, dead))
        assert (await bus.publish(out(topic, b"100"))).offset == 100
        await until(lambda: bus.failed == "")


async def test_what_looks_things_up_does_so_with_another_client(kafka_url: str, topic: TopicInfo) -> None:
    async with opened(opener(kafka_url), [topic]) as bus:
        at = (await bus.publish(out(topic, b"0"))).partition
        assert [r.value for r in await bus.read(topic.name, at, 0)] == [b"0"]
        await _die(bus._reader._client._fetcher, "_fetch_task")
        assert [r.value for r in await bus.read(topic.name, at, 0)] == [b"0"]
