"""Before the journal deletes what is old, the ledger keeps what it told."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from parlance import clock
from parlance.rpc import Call, one
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.turn_pb2 import Header
from services.ledger import service
from services.ledger.service import LedgerService
from tests.unit.ledger_home import DAY_US, Desk, rebuilt, running, said
from tests.unit.ledger_process import journal
from tests.unit.ledger_scene import NOON, Log


@pytest.fixture
def wall() -> Iterator[list[int]]:
    made = [NOON]
    clock.use(lambda: made[0])
    yield made
    clock.use(None)


async def test_before_the_log_is_trimmed_a_snapshot_keeps_what_it_told(tmp_path: Path, wall: list[int]) -> None:
    async with running(tmp_path) as desk:
        for n in range(10):
            desk.log.turn(n)
        await desk.write()
        await desk.told()
        wall[0] += 33 * DAY_US
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
    tmp_path: Path, wall: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = journal(tmp_path)
    ledger = LedgerService(bus, tmp_path / "ledger.db")
    bus.may_trim = ledger.may_trim
    await bus.start()
    desk = Desk(bus, ledger, Log.at(tmp_path))
    for n in range(5):
        desk.log.turn(n)
    await desk.write()
    wall[0] += 33 * DAY_US
    assert await bus.upkeep() == 0  # not even open
    async with ledger.opened():
        assert await bus.upkeep() == 0  # not read
        assert await ledger_reads(ledger) and await bus.upkeep() > 50
        assert ledger.may_trim("control.v1", 0, 9)
        assert not ledger.may_trim("reply.v1", 0, 10_000)
        monkeypatch.setattr(service, "_HOLDS_S", -1.0)
        assert ledger.may_trim("reply.v1", 0, 10_000)
    await bus.stop()


async def ledger_reads(ledger: LedgerService) -> bool:
    task = asyncio.get_running_loop().create_task(ledger.run())
    await one(ledger.summarise(SummariseRequest(), Call("", Header())))
    return task.cancel()
