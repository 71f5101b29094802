"""A home with a journal and a ledger, put together as services/platform.py does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.rpc import Call, one
from parlance.v1.gateway_service_pb2 import GetStatsRequest, GetStatsResponse
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.turn_pb2 import Header
from services.ledger.service import LedgerService
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import dump
from tests.unit.ledger_process import journal
from tests.unit.ledger_scene import SECOND, Log

DAY_US = 86_400 * SECOND


@dataclass
class Desk:
    bus: JournalBus
    ledger: LedgerService
    log: Log
    # The ledger's work, where it runs.
    reading: "asyncio.Task[None] | None" = None
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
            yield Desk(bus, ledger, log or Log.at(home), task)
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
