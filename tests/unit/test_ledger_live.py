"""What the ledger's Faust app does with a batch, without Faust: rows, live rates, and a database that is away."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parlance import clock
from parlance.bus import Record
from parlance.errors import Unavailable
from parlance.v1.llm_pb2 import LlmEvent, UsageRecorded
from services.ledger import follower, live
from services.ledger.live import LiveLedger
from services.ledger.projections import project
from services.ledger.rates import MINUTE_US, outcome_name
from services.ledger.rates import live as last_hour
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import dump
from tests.unit.ledger_home import running
from tests.unit.ledger_scene import NOON, Log


@pytest.fixture(autouse=True)
def _wall() -> Iterator[list[int]]:
    now = [NOON]
    clock.use(lambda: now[0])
    yield now
    clock.use(None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.db")
    yield made
    made.close()


class Windows(dict[Any, Any]):
    """As Faust's windowed table."""

    def __init__(self) -> None:
        window = SimpleNamespace(current=lambda at_s: (at_s // 60 * 60, at_s // 60 * 60 + 60))
        self.table = SimpleNamespace(window=window)

    def __missing__(self, key: Any) -> Any:
        made = self[key] = defaultdict(live.Amount)
        return made


def app(store: Any) -> LiveLedger:
    return LiveLedger(store, Windows())


def sums(store: SqliteLedger, run: str = "") -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for rate in last_hour(store.query, run, clock.now_us()):
        found[rate.measure, rate.name] = found.get((rate.measure, rate.name), 0) + rate.amount
    return found


def talked(folder: Path, turns: int = 6) -> list[Record]:
    log = Log.at(folder)
    for n in range(turns):
        log.turn(n, spoken=bool(n % 2), run="r" if n == 5 else "")
    return log.records


async def test_a_batch_gives_the_projections_rows_and_counts(store: SqliteLedger, tmp_path: Path) -> None:
    records = talked(tmp_path)
    await app(store).save(records)
    whole = SqliteLedger(tmp_path / "whole.db")
    whole.save(project(records), {})
    assert dump(store.query) == dump(whole.query) != b""
    whole.close()
    told = sums(store)
    assert told["turns", "answered"] == 5 and sums(store, "r")["turns", "answered"] == 1
    assert told["output_tokens", "compatible:small"] == 5 * 2 * 5
    assert told["input_tokens", "compatible:small"] == sum(2 * (10 + n) for n in range(5))
    assert told["characters", "hibari:"] == 5 * 2 * 20 and told["voiced_ms", "whisper:tiny.en"] == 901 + 903


async def test_what_is_read_twice_counts_once_even_by_another_process(store: SqliteLedger, tmp_path: Path) -> None:
    records = talked(tmp_path)
    one = app(store)
    await one.save(records)
    before = sums(store)
    await one.save(records[20:])
    other = app(store)
    reached = await other.resume()
    await other.save(records[10:])
    assert sums(store) == before and reached == store.offsets()


async def test_a_process_that_was_killed_counts_on_where_it_had_saved(store: SqliteLedger, tmp_path: Path) -> None:
    records, whole = talked(tmp_path), SqliteLedger(tmp_path / "whole.db")
    await app(whole).save(records)
    for at in range(0, len(records), 9):
        one = app(store)
        await one.resume()
        await one.save(records[max(0, at - 4) : at + 9])
    assert sums(store) == sums(whole) and dump(store.query) == dump(whole.query)
    whole.close()


async def test_one_that_was_replaced_and_writes_late_takes_nothing_back(store: SqliteLedger, tmp_path: Path) -> None:
    records = talked(tmp_path)
    late, new = app(store), app(store)
    await late.save(records[:30])
    await new.resume()
    await new.save(records[30:])
    before = sums(store)
    await late.save(records[30:50])
    assert sums(store) == before


async def test_of_what_is_older_than_an_hour_nothing_is_counted(
    store: SqliteLedger, tmp_path: Path, _wall: list[int]
) -> None:
    records = talked(tmp_path)
    _wall[0] += 61 * MINUTE_US
    await app(store).save(records)
    assert sums(store) == {} and store.query("SELECT COUNT(*) FROM ledger_rate") == [(0,)] and dump(store.query)


async def test_minutes_that_are_over_an_hour_old_are_deleted(
    store: SqliteLedger, tmp_path: Path, _wall: list[int]
) -> None:
    one = app(store)
    await one.save(talked(tmp_path))
    assert store.query("SELECT COUNT(*) FROM ledger_rate") != [(0,)]
    _wall[0] += 61 * MINUTE_US
    await one.save(talked(tmp_path))
    assert store.query("SELECT COUNT(*) FROM ledger_rate") == [(0,)]


async def test_a_database_that_is_away_is_waited_for(
    store: SqliteLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.01)
    refusing = [True] * 4

    class Away(SqliteLedger):
        def save(self, *given: Any) -> None:
            if refusing:
                refusing.pop()
                raise Unavailable("PostgreSQL is away")
            super().save(*given)

    away = Away(tmp_path / "ledger.db")
    records = talked(tmp_path)
    await app(away).save(records)
    assert not refusing and sums(store)["turns", "answered"] == 5
    assert [r.message for r in caplog.records] == ["the ledger waits: PostgreSQL is away"]
    away.close()


async def test_a_value_that_no_vendor_can_mean_counts_nothing(store: SqliteLedger, tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    log.tell(LlmEvent, log.header(1), UsageRecorded(call_id="c", input_tokens=-5, output_tokens=2**60))
    await app(store).save(log.records)
    assert sums(store) == {}


def test_an_outcome_of_a_newer_version_has_its_number() -> None:
    assert (outcome_name(1), outcome_name(99)) == ("answered", "99")


async def test_a_follower_waits_for_whoever_reads_the_log(
    tmp_path: Path, store: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "home", Log.at(tmp_path)) as desk:
        waits = follower.Follower(desk.bus, store)
        await waits.up_to_date()
        desk.log.turn(1)
        await desk.write()
        monkeypatch.setattr(follower, "PATIENCE_S", 0.3)
        with pytest.raises(Unavailable, match="the ledger is behind in 7 of the log's partitions: see that its app"):
            await waits.up_to_date()
        monkeypatch.setattr(follower, "PATIENCE_S", 20.0)
        told = asyncio.get_running_loop().create_task(waits.up_to_date())
        await asyncio.sleep(0.15)
        assert not told.done()
        await app(store).save(desk.log.records)
        await told
