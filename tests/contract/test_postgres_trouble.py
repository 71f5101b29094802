"""PostgreSQL cut off, away, frozen or in doubt amid saves, and Kafka away: nothing is lost or done twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from parlance.errors import Unavailable
from parlance.events import TopicInfo
from tests import postgres_server
from tests.contract.bus_suite_tools import numbered, out, until
from tests.contract.postgres_tools import JournalAsKafka, relayed
from tests.contract.store_suite import values

pytestmark = pytest.mark.postgres
pytest.importorskip("psycopg")

from parlance import postgres_writer, relay_outbox  # noqa: E402 - only where its client is installed
from parlance.store_postgres import PostgresStore  # noqa: E402

TOPIC = TopicInfo("one.v1", 4)
_END_WRITERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'parlance-writer-%'"


@pytest.fixture
async def bus(database_url: str, tmp_path: Path) -> AsyncIterator[Any]:
    async with relayed(database_url, JournalAsKafka(tmp_path / "journal.db"), [TOPIC]) as bus:
        yield bus


async def count_up(store: PostgresStore, session: str, until_done: Callable[[], bool]) -> int:
    """Saves one row again and again, each time with an event; gives how often."""
    n, saves = 0, []
    key = session.encode()
    while not until_done():
        saves.append(store.save("stage", session, n, b"%d" % n, None, [out(TOPIC, b"%s-%d" % (key, n), key)]))
        n += 1
        if n % 3 == 0:
            await saves[-1]
    assert await asyncio.gather(*saves) == list(range(1, n + 1))
    return n


async def test_cut_connections_in_the_middle_of_saves_lose_and_refuse_nothing(bus: Any, database_url: str) -> None:
    store, over = PostgresStore(bus), asyncio.Event()
    sessions = [f"s{n}" for n in range(4)]
    counting = [asyncio.ensure_future(count_up(store, s, over.is_set)) for s in sessions]
    cuts = 0
    with psycopg.connect(database_url, autocommit=True) as admin:
        while cuts < 8:
            await asyncio.sleep(0.05)
            cuts += len(admin.execute(_END_WRITERS).fetchall())
    over.set()
    counts = await asyncio.gather(*counting)
    await bus.flush()
    assert min(counts) > 3 and bus.failed == ""
    got = await values(bus)
    for session, count in zip(sessions, counts, strict=True):
        seen = list(dict.fromkeys(v for v in got if v.startswith(session.encode() + b"-")))
        assert seen == [b"%s-%d" % (session.encode(), n) for n in range(count)]
        assert await PostgresStore(bus).load("stage", session) == (count, b"%d" % (count - 1))
    print(f"{cuts} connections cut in {sum(counts)} saves, {len(got) - sum(counts)} events twice")


async def test_one_save_that_cannot_be_stored_fails_alone(bus: Any) -> None:
    store = PostgresStore(bus)
    saves = [store.save("stage", name, 0, b"row", None) for name in ("a", "b\0", "c")]
    bad, good = saves.pop(1), saves
    assert await asyncio.gather(*good) == [1, 1]
    with pytest.raises(Exception, match=r"NUL|0x00"):
        await bad


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    server = postgres_server.server(tmp_path / "postgres")
    server.start()
    try:
        async with relayed(server.url, JournalAsKafka(tmp_path / "journal.db"), [TOPIC]) as bus:
            store = PostgresStore(bus)
            await store.save("stage", "s", 0, b"0", None)
            await asyncio.to_thread(server.stop)
            saves = [store.save("stage", "s", n, b"%d" % n, None, [out(TOPIC, b"%d" % n)]) for n in (1, 2)]
            done = store.transact(lambda tx: tx.db.execute("SELECT 1").fetchone()[0])
            await until(lambda: "PARLANCE_DATABASE" in bus.failed)
            with pytest.raises(Unavailable, match="PARLANCE_DATABASE"):
                await store.query(lambda db: db.execute("SELECT 1").fetchone())
            assert not any(save.done() for save in saves)
            await asyncio.to_thread(server.start)
            assert await asyncio.gather(*saves, done) == [2, 3, 1]
            await bus.flush()
            assert bus.failed == "" and await values(bus) == [b"1", b"2"]
            assert await store.query(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
    finally:
        server.forget()


async def test_who_waits_too_long_for_a_server_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "HELD_S", 1.0)
    server = postgres_server.server(tmp_path / "postgres")
    server.start()
    try:
        async with relayed(server.url, JournalAsKafka(tmp_path / "journal.db"), [TOPIC]) as bus:
            await asyncio.to_thread(server.stop)
            with pytest.raises(Unavailable, match="PARLANCE_DATABASE"):
                await PostgresStore(bus).save("stage", "s", 0, b"row", None)
    finally:
        server.forget()


async def test_a_server_that_does_not_answer_shows_and_nothing_is_lost(bus: Any, database_url: str) -> None:
    store = PostgresStore(bus)
    with psycopg.connect(database_url) as locking:
        locking.execute("LOCK TABLE parlance_row IN EXCLUSIVE MODE")
        saved = store.save("stage", "s", 0, b"row", None, [out(TOPIC, b"0")])
        await until(lambda: "has not answered" in bus.failed)
        assert not saved.done()
    assert await saved == 1 and bus.failed == ""


async def test_while_kafka_is_away_saves_go_on_and_memory_is_bounded(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_outbox, "_MOST", 20)
    log = JournalAsKafka(tmp_path / "journal.db")
    async with relayed(database_url, log, [TOPIC]) as bus:
        store = PostgresStore(bus)
        log.away = True
        for n in range(50):
            assert await store.save("stage", "k", n, b"row", None, [out(TOPIC, b"%d" % (n + 1))]) == n + 1
        bus.append([out(TOPIC, b"51")])
        behind = store.save("stage", "k", 50, b"row", None, [out(TOPIC, b"52")])
        elsewhere = store.save("stage", "another", 0, b"row", None, [out(TOPIC, b"elsewhere", b"another")])
        assert await elsewhere == 1
        assert len(log._kept) <= 20 and not behind.done()
        log.back()
        assert await behind == 51
        await bus.flush()
        got = [v for v in await values(bus) if v != b"elsewhere"]
        assert list(dict.fromkeys(got)) == numbered(52, 1)
        await until(lambda: _left(database_url) == 0)


def _left(url: str) -> int:
    with psycopg.connect(url) as db:
        return int(db.execute("SELECT count(*) FROM parlance_outbox").fetchone()[0])
