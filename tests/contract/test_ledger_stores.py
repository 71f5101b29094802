"""The contract of the ledger's stores: SQLite and PostgreSQL keep the same rows, whatever comes twice or late."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import Unavailable
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from services.ledger.projections import Rows, merge, project
from services.ledger.rates import MINUTE_US, Amount, Counted, kept, live, row, since_us
from services.ledger.stats import stats
from services.ledger.store import LedgerStore
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import dump
from tests.unit.ledger_scene import NOON, Log
from tests.unit.test_ledger_projections import LOG, expected, in_batches, interleaved, with_repeats

AT = ("llm.v1", 2)
ANSWERED = Counted("", "reply.v1", 1, "turns", "answered")


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens the same store again and again."""
    stores: list[Any] = []
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")

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


@pytest.fixture
def store(opened: Callable[[], LedgerStore]) -> LedgerStore:
    return opened()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[LedgerStore]:
    """What a store that read the log once, in order, says."""
    made = SqliteLedger(tmp_path / "plain.db")
    made.save(expected(), {})
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(6))
def test_repeats_and_any_order_between_topics_give_the_same_bytes(
    store: LedgerStore, plain: LedgerStore, seed: int
) -> None:
    chance = random.Random(seed)
    for batch in in_batches(interleaved(with_repeats(LOG.records, chance), chance), chance):
        store.save(project(batch), {})
    assert dump(store.query) == dump(plain.query) != b""


def test_the_same_rows_add_up_to_the_same_statistics(store: LedgerStore, plain: LedgerStore) -> None:
    store.save(expected(), {})
    for run in ("", "r1"):
        said = stats(store.query, run, "2027-01-01")
        assert said == stats(plain.query, run, "2027-01-01") and said.turns and said.latencies and said.usage


def test_read_again_from_the_beginning_it_says_the_same_bytes(store: LedgerStore, plain: LedgerStore) -> None:
    for records in (LOG.records, LOG.records[:50], LOG.records):
        store.save(project(records), {})
    assert dump(store.query) == dump(plain.query)


def test_how_far_it_read_is_saved_with_the_rows(opened: Callable[[], LedgerStore]) -> None:
    opened().save(project(LOG.records[:9]), {AT: 9, ("effect.v1", 0): 1})
    other = opened()
    assert other.offsets() == {AT: 9, ("effect.v1", 0): 1} and dump(other.query)
    other.save({}, {AT: 4})
    assert opened().offsets()[AT] == 4


def test_a_batch_whose_end_is_refused_leaves_nothing_of_it(store: LedgerStore) -> None:
    with pytest.raises((Unavailable, TypeError, ValueError)):
        store.save(project(LOG.records), {AT: object()})  # type: ignore[dict-item]
    assert dump(store.query) == b"" and store.offsets() == {}
    store.save(project(LOG.records), {AT: 2})
    assert dump(store.query) and store.offsets() == {AT: 2}


def test_a_text_that_no_database_likes_stops_nobody(store: LedgerStore, tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    header = log.header(1)
    for provider in ("a\0b", "%s", "'; DROP TABLE ledger_turn; --", "\U0001f600"):
        header.turn_id = f"turn-{provider}"
        log.tell(IntentEvent, header, IntentRecognized(intent="chat?", provider=provider))
    store.save(project(log.records), {AT: 1})
    found = store.query("SELECT intent_provider FROM ledger_turn WHERE intent = ? ORDER BY 1", ("chat?",))
    assert len(found) == 4 and {"%s", "'; DROP TABLE ledger_turn; --", "\U0001f600"} < {name for (name,) in found}


def test_rates_are_as_far_as_the_furthest_who_counted(store: LedgerStore) -> None:
    for amount in (Amount(3, 30), Amount(5, 50), Amount(2, 20)):
        store.save(row(ANSWERED, NOON, amount), {})
    assert kept(store.query, NOON) == [(ANSWERED, NOON, Amount(5, 50))]


def test_rates_add_up_over_partitions_by_the_minute(store: LedgerStore) -> None:
    rows: Rows = {}
    for part in range(3):
        merge(rows, row(Counted("", "reply.v1", part, "turns", "answered"), NOON, Amount(2, 9)))
    merge(rows, row(ANSWERED, NOON - MINUTE_US, Amount(1, 3)))
    merge(rows, row(Counted("r", "reply.v1", 1, "turns", "answered"), NOON, Amount(7, 9)))
    store.save(rows, {})
    assert [(r.minute_us, r.name, r.amount) for r in live(store.query, "", NOON)] == [
        (NOON - MINUTE_US, "answered", 1),
        (NOON, "answered", 6),
    ]
    assert [r.amount for r in live(store.query, "r", NOON)] == [7]


def test_rates_that_are_old_are_deleted(store: LedgerStore) -> None:
    for minutes in (0, 59, 60):
        store.save(row(ANSWERED, NOON - minutes * MINUTE_US, Amount(1, 1)), {})
    assert len(live(store.query, "", NOON)) == 2
    store.forget_rates(since_us(NOON))
    assert store.query("SELECT COUNT(*) FROM ledger_rate") == [(2,)]


def test_rates_are_no_part_of_what_the_log_is_projected_to(store: LedgerStore) -> None:
    store.save(row(ANSWERED, NOON, Amount(1, 1)), {})
    assert dump(store.query) == b""
