"""A commit whose outcome is not known, because the connection was cut: found out, done once, told as it was."""

import contextlib
from typing import Any

import psycopg
import pytest

from parlance.events import TopicInfo
from parlance.store import Conflict
from tests.contract.bus_suite_tools import out

pytestmark = pytest.mark.postgres
pytest.importorskip("psycopg")

from parlance import postgres_address  # noqa: E402 - only where its client is installed
from parlance.postgres_jobs import Save, Work  # noqa: E402
from parlance.postgres_tables import SCHEMA  # noqa: E402
from parlance.postgres_writer import Writer  # noqa: E402

TOPIC = TopicInfo("one.v1", 4)


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
