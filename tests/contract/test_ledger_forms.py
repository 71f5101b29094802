"""A ledger of the version before: it gets its new columns, keeps what the log forgot, and reads the rest anew."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from parlance.errors import Unavailable
from services.ledger.projections import project
from services.ledger.store import LedgerStore
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import FORM, dump
from tests.unit.ledger_home import running, said
from tests.unit.ledger_scene import Log

# As 0.2 made them.
OLD = """
CREATE TABLE ledger_turn(run TEXT NOT NULL, turn_id TEXT NOT NULL, day TEXT, accepted_at_us BIGINT,
    asked_at_us BIGINT, modality BIGINT, outcome BIGINT, reason BIGINT, ended_at_us BIGINT, speech_provider TEXT,
    speech_us BIGINT, voiced_ms BIGINT, intent TEXT, intent_provider TEXT, intent_us BIGINT, clause_provider TEXT,
    clause_us BIGINT, PRIMARY KEY(run, turn_id));
CREATE TABLE ledger_call(run TEXT NOT NULL, call_id TEXT NOT NULL, attempt BIGINT NOT NULL, turn_id TEXT, day TEXT,
    stage TEXT, provider TEXT, began_at_us BIGINT, latency_us BIGINT, input_tokens BIGINT, output_tokens BIGINT,
    estimated BIGINT, characters BIGINT, audio_ms BIGINT, destination TEXT, bytes_sent BIGINT, bytes_received BIGINT,
    PRIMARY KEY(run, call_id, attempt));
CREATE TABLE ledger_refused(run TEXT NOT NULL, event_id TEXT NOT NULL, day TEXT, turns BIGINT,
    PRIMARY KEY(run, event_id));
CREATE TABLE ledger_rate(run TEXT NOT NULL, topic TEXT NOT NULL, part BIGINT NOT NULL, minute_us BIGINT NOT NULL,
    measure TEXT NOT NULL, name TEXT NOT NULL, amount BIGINT, next_offset BIGINT,
    PRIMARY KEY(run, topic, part, minute_us, measure, name));
CREATE TABLE ledger_offset(topic TEXT NOT NULL, part BIGINT NOT NULL, next_offset BIGINT, PRIMARY KEY(topic, part));
INSERT INTO ledger_call VALUES('', 'gone', 0, 'turn-gone', '2026-10-01', 'llm', 'compatible:small', 5, 6, 70, 8, 0,
    NULL, NULL, 'api.example.org', 900, 1000);
INSERT INTO ledger_offset VALUES('llm.v1', 1, 40);
INSERT INTO ledger_offset VALUES('reply.v1', 1, 12);
"""
GONE = "SELECT input_tokens, bytes_sent, user_id, cost_nanos FROM ledger_call WHERE call_id = 'gone'"


def old_file(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute(f"{OLD} PRAGMA user_version=1")
    db.close()


def old_database(url: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(OLD.replace("TEXT", 'TEXT COLLATE "C"'))
        db.execute("CREATE TABLE ledger_form(version BIGINT NOT NULL); INSERT INTO ledger_form VALUES(1)")


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens a ledger that the version before has left."""
    stores: list[Any] = []
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        old_database(url)
    else:
        old_file(tmp_path / "ledger.db")

    def open_it() -> Any:
        if request.param == "sqlite":
            stores.append(SqliteLedger(tmp_path / "ledger.db"))
        else:
            from parlance.postgres_address import parse
            from services.ledger.store_postgres import PostgresLedger

            stores.append(PostgresLedger(parse(url)))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


def test_it_gets_its_columns_and_keeps_its_rows(opened: Callable[[], LedgerStore], tmp_path: Path) -> None:
    store = opened()
    assert store.query(GONE) == [(70, 900, None, None)]
    fresh, log = SqliteLedger(tmp_path / "fresh.db"), Log.at(tmp_path)
    log.turn(1, spoken=True)
    for made in (store, fresh):
        made.save(project(log.records), {})
    told = [line for line in dump(store.query).splitlines() if b'"gone"' not in line]
    assert told == dump(fresh.query).splitlines() and b"sha256:abc" in b"".join(told)
    fresh.close()


def test_what_tells_the_new_columns_is_read_again_once(opened: Callable[[], LedgerStore]) -> None:
    store = opened()
    assert store.offsets() == {("reply.v1", 1): 12}
    store.save({}, {("llm.v1", 1): 44})
    assert opened().offsets() == {("reply.v1", 1): 12, ("llm.v1", 1): 44}


async def test_beside_a_log_it_says_what_one_that_was_made_anew_says(tmp_path: Path) -> None:
    """But for what only the old one still knows."""
    old_file(tmp_path / "ledger.db")
    async with running(tmp_path) as desk:
        for n in range(4):
            desk.log.turn(n)
        await desk.write()
        await desk.told()
    fresh = tmp_path / "fresh.db"
    store = SqliteLedger(fresh)
    store.save(project(desk.log.records), {})
    rest = [line for line in said(tmp_path).splitlines() if b'"gone"' not in line]
    # The journal gives its own times.
    assert [line.count(b"null") for line in rest] == [line.count(b"null") for line in dump(store.query).splitlines()]
    store.close()


def test_the_version_before_can_tell_that_it_is_newer(opened: Callable[[], LedgerStore]) -> None:
    store = opened()
    kept = "PRAGMA user_version" if isinstance(store, SqliteLedger) else "SELECT MAX(version) FROM ledger_form"
    assert store.query(kept)[0][0] == FORM == 2


def test_one_of_a_later_version_is_refused_and_kept(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "ledger.db").close()
    apsw.Connection(str(tmp_path / "ledger.db")).execute(f"PRAGMA user_version={FORM + 1}")
    with pytest.raises(Unavailable, match="update Parlance"):
        SqliteLedger(tmp_path / "ledger.db")
