"""The ledger beside a journal: what it reads after restarts, kills and lost files; rebuilt, it says the same bytes."""

import asyncio
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parlance import clock
from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest, Unavailable
from parlance.rpc import Call, implemented, one
from parlance.v1.gateway_service_pb2 import GetUsageRequest, ListEgressRequest
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.turn_pb2 import Header
from services.ledger import projector
from services.ledger.projections import READ, project
from services.ledger.service import LedgerService
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import dump
from tests.unit.ledger_home import DAY_US, filled, forget, rebuilt, running, said
from tests.unit.ledger_process import __name__ as process
from tests.unit.ledger_scene import NOON, Log


@pytest.fixture(autouse=True)
def _wall() -> Iterator[None]:
    clock.use(lambda: NOON)
    yield
    clock.use(None)


def test_every_method_of_the_contract_is_there() -> None:
    assert set(implemented("Ledger", LedgerService)) == {"Summarise"}


async def test_what_stands_in_the_log_when_it_is_asked_counts(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        for n in range(3):
            desk.log.turn(n)
            await desk.write()
            assert sum(t.turns for t in (await desk.told()).turns) == n + 1


async def test_it_reads_on_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "LAZY_S", 0.01)
    async with running(tmp_path) as desk:
        desk.log.turn(1)
        await desk.write()
        async with asyncio.timeout(10):
            while b"turn-1" not in said(tmp_path):
                await asyncio.sleep(0.02)


async def test_days_count_back_from_today(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        desk.log.now_us = NOON - 2 * DAY_US
        for n in range(3):
            desk.log.turn(n)
            desk.log.now_us += DAY_US
        await desk.write()
        counts = {days: sum(t.turns for t in (await desk.told(days)).turns) for days in (1, 2, 3, 0)}
        assert counts == {1: 1, 2: 2, 3: 3, 0: 3} and (await desk.told(1)).since == "2027-01-15"
        with pytest.raises(InvalidRequest, match="days are 1 to"):
            await desk.told(-1)


async def test_what_is_asked_for_is_what_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        desk.log.turn(1)
        await desk.write()
        asked = SummariseRequest(usage=GetUsageRequest(days=1), egress=ListEgressRequest(limit=1))
        told = await one(desk.ledger.summarise(asked, Call("", Header())))
        assert not told.HasField("stats") and told.usage.since == "2027-01-15"
        assert [(u.provider, u.requests, u.failed) for u in told.usage.usage] == [("compatible", 2, 1)]
        assert [e.egress.destination for e in told.egress.entries] == ["api.example.org"] and told.egress.more
        for wrong in (SummariseRequest(usage=GetUsageRequest(days=-1)), SummariseRequest(egress={"days": 36_501})):
            with pytest.raises(InvalidRequest, match="days are 1 to"):
                await one(desk.ledger.summarise(wrong, Call("", Header())))


async def test_rebuilt_from_the_log_it_says_the_same_bytes(tmp_path: Path) -> None:
    await filled(tmp_path)
    before = said(tmp_path)
    assert before.count(b"ledger_turn") == 20 and await rebuilt(tmp_path) == before


async def test_read_in_small_batches_it_says_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tmp_path)
    before = said(tmp_path)
    monkeypatch.setattr(projector, "_BATCH", 3)
    assert await rebuilt(tmp_path) == before


async def test_killed_in_the_middle_again_and_again_it_says_what_one_that_never_was_says(tmp_path: Path) -> None:
    await filled(tmp_path, 40)
    whole, chance, kills = said(tmp_path), random.Random(3), 0
    forget(tmp_path)
    for _ in range(4):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", process, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(chance.randrange(2, 12)):
            await child.stdout.readline()
        child.kill()
        await child.wait()
        kills += b"" != said(tmp_path) != whole
    assert kills >= 2  # it was in the middle
    async with running(tmp_path) as desk:
        await desk.told()
    assert said(tmp_path) == whole


async def test_a_new_journal_or_a_backup_of_it_is_read_from_its_beginning(tmp_path: Path) -> None:
    await filled(tmp_path, 5)
    forget(tmp_path, "journal.*")
    log = Log.at(tmp_path)
    async with running(tmp_path, log) as desk:
        log.turn(77)
        await desk.write()
        assert sum(t.turns for t in (await desk.told()).turns) == 5  # the fourth was a rehearsal's
    assert await rebuilt(tmp_path) != b"" and said(tmp_path).count(b"ledger_turn") == 6


async def test_a_damaged_ledger_is_set_aside_and_made_again(tmp_path: Path) -> None:
    await filled(tmp_path, 5)
    before = said(tmp_path)
    forget(tmp_path)
    (tmp_path / "ledger.db").write_bytes(b"this is no database\n" * 1000)
    async with running(tmp_path) as desk:
        await desk.told()
    assert said(tmp_path) == before and (tmp_path / "ledger.damaged.db").exists()


async def test_a_ledger_of_a_newer_form_is_refused_and_kept(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path / "ledger.db")
    store._db.execute("PRAGMA user_version=9")
    store.close()
    with pytest.raises(Unavailable, match="update Parlance"):
        async with running(tmp_path):
            pass


async def test_a_disk_that_refuses_is_told_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, refusing = SqliteLedger.save, [True]

    def refuse(*given: object) -> None:
        if refusing:
            raise Unavailable("the disk is full")
        save(*given)  # type: ignore[arg-type]

    async with running(tmp_path) as desk:
        await desk.told()
        monkeypatch.setattr(SqliteLedger, "save", refuse)
        desk.log.turn(1)
        await desk.write()
        with pytest.raises(Unavailable, match="disk is full"):
            await desk.told()
        refusing.clear()
        assert sum(t.turns for t in (await desk.told()).turns) == 1
        store = desk.ledger._store
        assert store is not None
        ends = {(t, p): await desk.bus.end(t, p) for t, p in store.offsets()}
        assert store.offsets() == ends


async def test_a_defect_in_it_ends_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(records: object) -> None:
        raise KeyError("a defect")

    async with running(tmp_path) as desk:
        await desk.told()
        monkeypatch.setattr(projector, "project", broken)
        monkeypatch.setattr(projector, "LAZY_S", 0.0)
        desk.log.turn(1)
        await desk.write()
        async with asyncio.timeout(10):
            assert desk.reading is not None and await desk.reading is None
        with pytest.raises(Unavailable, match="the ledger does not run"):
            await desk.told()
    monkeypatch.undo()
    clock.use(lambda: NOON)
    async with running(tmp_path) as desk:
        assert sum(t.turns for t in (await desk.told()).turns) == 1


async def test_much_at_once_waits_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "_HELD", 40)
    monkeypatch.setattr(projector, "LAZY_S", 0.0)
    log, home = Log.at(tmp_path), tmp_path / "home"
    for n in range(60):
        log.turn(n)
    async with running(home, log) as desk:
        await desk.told()  # from here on it is a consumer group
        await desk.write()
        ends = {at: end for t in READ for p in range(4) if (end := await desk.bus.end(*(at := (t, p))))}
        async with asyncio.timeout(20):
            while await committed(desk.bus) != ends:
                await asyncio.sleep(0.02)
    store = SqliteLedger(tmp_path / "pure.db")
    store.save(project(log.records), {})
    pure = [line.split(b",")[2] for line in dump(store.query).splitlines()]
    assert pure == [line.split(b",")[2] for line in said(home).splitlines()]
    store.close()


async def committed(bus: JournalBus) -> dict[tuple[str, int], int]:
    sql = "SELECT name, part, offset FROM committed JOIN topic ON topic.id = topic WHERE grp = 'ledger'"
    return {(topic, part): offset for topic, part, offset in await bus.query(lambda db: list(db.execute(sql)))}
