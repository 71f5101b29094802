"""The ledger beside a journal: what it reads after restarts, kills and lost files; rebuilt, it says the same bytes."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from parlance import clock
from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest, Unavailable
from parlance.rpc import Call, implemented, one
from parlance.v1.gateway_service_pb2 import GetStatsRequest, GetStatsResponse
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.turn_pb2 import Header
from services.ledger import projector, service
from services.ledger.projections import READ, project
from services.ledger.service import LedgerService
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import dump
from tests.unit.ledger_process import __name__ as process
from tests.unit.ledger_process import journal
from tests.unit.ledger_scene import NOON, SECOND, Log

DAY_US = 86_400 * SECOND


@pytest.fixture(autouse=True)
def _wall() -> AsyncIterator[None]:  # type: ignore[misc]
    clock.use(lambda: NOON)
    yield
    clock.use(None)


@dataclass
class Desk:
    bus: JournalBus
    ledger: LedgerService
    log: Log
    written: int = 0

    async def write(self) -> None:
        """What the log was told since, into the journal."""
        records = self.log.records[self.written :]
        self.written = len(self.log.records)
        self.bus.append([Out(r.topic, r.partition, r.key, r.value, r.headers) for r in records])
        await self.bus.flush()

    async def told(self, days: int = 0, run: str = "") -> GetStatsResponse:
        request = SummariseRequest(stats=GetStatsRequest(days=days, run=run))
        return (await one(self.ledger.summarise(request, Call("", Header())))).stats


@asynccontextmanager
async def running(home: Path, log: Log | None = None) -> AsyncIterator[Desk]:
    """A platform's journal and ledger, as services/platform.py puts them together."""
    bus = journal(home)
    ledger = LedgerService(bus, home / "ledger.db")
    bus.may_trim = ledger.may_trim
    await bus.start()
    try:
        async with ledger.opened():
            task = asyncio.get_running_loop().create_task(ledger.run())
            yield Desk(bus, ledger, log or Log.at(home))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    finally:
        await bus.stop()


def said(home: Path) -> bytes:
    store = SqliteLedger(home / "ledger.db")
    try:
        return dump(store.query)
    finally:
        store.close()


def forget(home: Path, pattern: str = "ledger.db*") -> None:
    for path in home.glob(pattern):
        path.unlink()


async def rebuilt(home: Path) -> bytes:
    forget(home)
    async with running(home) as desk:
        await desk.told()
    return said(home)


async def filled(home: Path, turns: int = 20) -> None:
    async with running(home) as desk:
        for n in range(turns):
            desk.log.turn(n, spoken=bool(n % 2), run="r" if n % 7 == 3 else "")
        await desk.write()
        await desk.told()


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


async def test_before_the_log_is_trimmed_a_snapshot_keeps_what_it_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = [NOON]
    clock.use(lambda: wall[0])
    async with running(tmp_path) as desk:
        for n in range(10):
            desk.log.turn(n)
        await desk.write()
        await desk.told()
        wall[0] += 31 * DAY_US
        for n in range(10, 12):
            desk.log.turn(n)
        await desk.write()
        await desk.told()
        assert await desk.bus.upkeep() > 100
        held = len(await desk.bus.read("reply.v1", 0, 0))
    before = said(tmp_path)
    assert held < 10 and before.count(b"ledger_turn") == 12
    assert await rebuilt(tmp_path) == before
    (tmp_path / "ledger.snapshot.db").unlink()
    assert await rebuilt(tmp_path) != before  # the log alone does not know any more


async def test_a_log_that_the_ledger_has_not_read_is_not_trimmed_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, held = [NOON], asyncio.Event()
    clock.use(lambda: wall[0])
    bus = journal(tmp_path)
    ledger = LedgerService(bus, tmp_path / "ledger.db")
    bus.may_trim = ledger.may_trim
    await bus.start()
    desk = Desk(bus, ledger, Log.at(tmp_path))
    for n in range(5):
        desk.log.turn(n)
    await desk.write()
    wall[0] += 31 * DAY_US
    assert await bus.upkeep() == 0  # not even open
    async with ledger.opened():
        assert await bus.upkeep() == 0  # not read
        assert await ledger_reads(ledger) and await bus.upkeep() > 50
        assert ledger.may_trim("control.v1", 0, 9) and not held.is_set()
        assert not ledger.may_trim("reply.v1", 0, 10_000)
        monkeypatch.setattr(service, "_HOLDS_S", -1.0)
        assert ledger.may_trim("reply.v1", 0, 10_000)
    await bus.stop()


async def ledger_reads(ledger: LedgerService) -> bool:
    task = asyncio.get_running_loop().create_task(ledger.run())
    await one(ledger.summarise(SummariseRequest(), Call("", Header())))
    return task.cancel()


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
