"""PostgreSQL cut off, away, frozen or in doubt amid saves, and Kafka away: nothing is lost or done twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from parlance.errors import InvalidRequest, Unavailable
from parlance.events import TopicInfo
from parlance.store import Conflict
from tests import postgres_server
from tests.contract.bus_suite_tools import numbered, out, until
from tests.contract.postgres_tools import JournalAsKafka, relayed
from tests.contract.store_suite import values

pytestmark = pytest.mark.postgres
pytest.importorskip("psycopg")

from parlance import postgres_address, postgres_writer, relay_outbox  # noqa: E402 - only where its client is installed
from parlance.postgres_jobs import Save, Work  # noqa: E402
from parlance.postgres_tables import SCHEMA  # noqa: E402
from parlance.postgres_writer import Writer  # noqa: E402
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


class Cut:
    """A connection that is cut just before or just after a commit reaches the server."""

    def __init__(self, real: Any, after: bool) -> None:
        self._real, self._after = real, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextlib.contextmanager
    def pipeline(self) -> Any:
        if self._after:
            with self._real.pipeline():
                yield
        self._real.close()
        if not self._after:
            yield
        raise psycopg.OperationalError("cut")


@pytest.fixture
def writer(database_url: str) -> Any:
    with psycopg.connect(database_url) as db:
        db.execute(SCHEMA)
    made = Writer(postgres_address.parse(database_url))
    made.open()
    yield made
    made.close()


def answers(writer: Writer, jobs: list[Any], after: bool) -> list[Any]:
    """What the jobs are told when the connection is cut at their commit."""
    told: list[Any] = []
    for job in jobs:
        job.done = told.append
    writer.connection = Cut(writer.connection, after)
    for now in (0.0, 10.0):  # after the cut it waits a little before it connects again
        for done, value in writer.step(jobs if not now else [], now):
            done(value)
        assert now or not told
    return told


@pytest.mark.parametrize("after", [False, True])
def test_a_save_whose_commit_was_cut_is_done_once_and_told_as_done(
    writer: Writer, database_url: str, after: bool
) -> None:
    saves = [Save(set(), ("stage", "s"), n, b"%d" % n, None, (out(TOPIC, b"%d" % n),)) for n in range(2)]
    refused = saves[0].refused
    saves[1].refused = refused
    told = answers(writer, saves, after)
    assert [t.value for t in told] == [1, 2] and not refused
    assert (told[0].ids is None) == after, "what was done before is found in the table"
    with psycopg.connect(database_url) as db:
        assert db.execute("SELECT version, content FROM parlance_row").fetchall() == [(2, b"1")]
        assert db.execute("SELECT value FROM parlance_outbox ORDER BY id").fetchall() == [(b"0",), (b"1",)]


@pytest.mark.parametrize("after", [False, True])
def test_a_transaction_whose_commit_was_cut_is_done_once(writer: Writer, database_url: str, after: bool) -> None:
    def work(tx: Any) -> str:
        tx.db.execute("CREATE TABLE IF NOT EXISTS item(name TEXT NOT NULL) STRICT")
        tx.db.execute("INSERT INTO item VALUES(?)", ("milk?",))
        tx.append(out(TOPIC, b"added"))
        return "done"

    told = answers(writer, [Work(work, print, durable=True)], after)
    assert [t.value for t in told] == ["done"]
    with psycopg.connect(database_url) as db:
        assert db.execute("SELECT name FROM item").fetchall() == [("milk?",)]
        assert db.execute("SELECT value FROM parlance_outbox").fetchall() == [(b"added",)]


def test_a_save_that_was_not_done_before_the_cut_is_refused_where_another_owner_came_first(
    writer: Writer, database_url: str
) -> None:
    other = Writer(postgres_address.parse(database_url))
    other.open()
    told: list[Any] = []
    save = Save(set(), ("stage", "s"), 0, b"mine", None, (), False, told.append)
    writer.connection = Cut(writer.connection, after=False)
    assert writer.step([save], 0.0) == []
    theirs = other.step([Save(set(), ("stage", "s"), 0, b"theirs", None)], 0.0)
    assert [value.value for _, value in theirs] == [1]
    (refused,) = (value for _, value in writer.step([], 10.0))
    assert isinstance(refused, Conflict)
    other.close()


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


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://a@b/c", "no address of PostgreSQL"),
        ("postgresql://localhost/name", "names no user"),
        ("postgresql://user@localhost", "names no database"),
        ("postgresql://user@[::1/name", "cannot be read"),
    ],
)
def test_a_wrong_address_is_told(url: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as raised:
        postgres_address.parse(url)
    assert "PARLANCE_DATABASE" in raised.value.message


async def test_an_unusable_database_is_told_without_its_password(postgres_url: str, tmp_path: Path) -> None:
    server, _, _ = postgres_url.rpartition("/")
    host = server.rpartition("@")[2]
    for url, told in (
        ("postgresql://u:geheim@127.0.0.1:1/n", "start it, or set PARLANCE_DATABASE"),
        (f"{server}/absent", "createdb"),
        (f"postgresql://parlance:geheim@{host}/postgres", "PARLANCE_DATABASE_PASSWORD_FILE"),
    ):
        with pytest.raises(Unavailable, match=told) as raised:
            async with relayed(url, JournalAsKafka(tmp_path / "journal.db"), [TOPIC]):
                pass
        assert "geheim" not in raised.value.message
    secret = tmp_path / "password"
    secret.write_text("parlance\n")
    address = postgres_address.parse(f"postgresql://parlance@{host}/postgres", str(secret))
    address.connect("test").close()
    with pytest.raises(InvalidRequest, match="PASSWORD_FILE"):
        postgres_address.parse(f"postgresql://parlance@{host}/postgres", str(tmp_path / "absent"))
