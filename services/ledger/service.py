"""The service `Ledger`: projections of the log, and what they add up to."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from parlance import clock
from parlance.bus import Bus
from parlance.config import Config
from parlance.errors import InvalidRequest, ParlanceError, Unavailable, unexpected
from parlance.log import logger
from parlance.rpc import Call
from parlance.v1.gateway_service_pb2 import GetStatsRequest, GetStatsResponse, GetUsageRequest, ListEgressRequest
from parlance.v1.ledger_service_pb2 import SummariseRequest, SummariseResponse
from services.ledger.departures import departures
from services.ledger.follower import Follower
from services.ledger.projections import READ
from services.ledger.projector import Projector
from services.ledger.rates import live
from services.ledger.slices import slices
from services.ledger.stats import stats
from services.ledger.store import LedgerStore
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.usage import usage

if TYPE_CHECKING:
    from parlance.postgres_address import Address

_DAYS, _MOST_DAYS = 30, 36_500
# A ledger that cannot keep up holds the log's retention no longer: what was promised to be deleted is deleted.
_HOLDS_S = 86_400.0


class LedgerService:
    """`where`: its file, such as HOME/ledger.db, or its database; `time_zone`: where today begins. `reads_log`: False
    where the Faust app does that. Between `opened` it answers."""

    def __init__(self, bus: Bus, where: "Path | Address", time_zone: str = "UTC", *, reads_log: bool = True) -> None:
        self._bus, self._where, self._zone = bus, where, ZoneInfo(time_zone)
        self._reads_log = reads_log
        self._store: LedgerStore | None = None
        self._projector: Projector | Follower | None = None
        self._held_since: float | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Raises Unavailable where its file or database is of a newer form or cannot be used."""
        store = self._store = await asyncio.to_thread(_store, self._where)
        projector = self._projector = (Projector if self._reads_log else Follower)(self._bus, store)
        try:
            if await projector.start() and isinstance(store, SqliteLedger):
                await asyncio.to_thread(store.snapshot)
            yield
        finally:
            await asyncio.to_thread(projector.close)
            self._store = self._projector = None
            store.close()

    async def run(self) -> None:
        """Reads the log until cancelled. What goes wrong in it ends no turn."""
        if self._projector is None:
            raise Unavailable("the ledger is not open")
        try:
            await self._projector.run()
        except Exception as exc:
            logger.error("the ledger stops until the next start: %s", unexpected(exc))
            self._projector = None

    async def summarise(self, request: SummariseRequest, call: Call) -> AsyncGenerator[SummariseResponse, None]:
        """What is set is asked for; nothing: statistics."""
        wanted: list[Any] = [asked for _, asked in request.ListFields()] or [request.stats]
        for asked in wanted:
            if not 0 <= asked.days <= _MOST_DAYS:
                raise InvalidRequest(f"days are 1 to {_MOST_DAYS}, not {asked.days}")
        store, projector = self._store, self._projector
        if store is None or projector is None:
            raise Unavailable("the ledger does not run: try again in a second, or see the log")
        await projector.up_to_date()
        yield await asyncio.to_thread(self._summary, store, wanted)

    def _summary(self, store: LedgerStore, wanted: Iterable[Any]) -> SummariseResponse:
        made = SummariseResponse()
        for asked in wanted:
            since = self._first_day(asked.days or _DAYS)
            if isinstance(asked, GetUsageRequest):
                made.usage.CopyFrom(usage(store.query, asked.run, since, clock.now_us()))
            elif isinstance(asked, ListEgressRequest):
                made.egress.CopyFrom(departures(store.query, asked, since))
            elif isinstance(asked, GetStatsRequest):
                made.stats.CopyFrom(_stats(store, asked, since))
        return made

    def _first_day(self, days: int) -> str:
        today = datetime.fromtimestamp(clock.now_us() / 1e6, UTC).astimezone(self._zone).date()
        return (today - timedelta(days=days - 1)).isoformat()

    def may_trim(self, topic: str, partition: int, offset: int) -> bool:
        """Whether the journal may delete what is below this offset: the snapshot then makes up for it. Called in the
        journal's own thread, every minute."""
        store = self._store
        if topic not in READ:
            return True
        try:
            if store is not None and _keeps(store, topic, partition, offset):
                self._held_since = None
                return True
        except ParlanceError as exc:
            logger.warning("no snapshot of the ledger: %s", exc.message)
        self._held_since = self._held_since or time.monotonic()
        return time.monotonic() - self._held_since > _HOLDS_S


def place(config: Config) -> "Path | Address":
    """Where a ledger of these settings is. Raises InvalidRequest where PARLANCE_DATABASE makes no sense."""
    if not config.database:
        return config.ledger
    from parlance.postgres_address import parse

    return parse(config.database, config.database_password_file)


def _store(where: "Path | Address") -> LedgerStore:
    if isinstance(where, Path):
        return SqliteLedger(where)
    from services.ledger.store_postgres import PostgresLedger

    return PostgresLedger(where)


def _stats(store: LedgerStore, asked: GetStatsRequest, since: str) -> GetStatsResponse:
    made = stats(store.query, asked.run, since)
    made.rates.extend(live(store.query, asked.run, clock.now_us()))
    if asked.slice_us:
        made.slices.extend(slices(store.query, asked.run, since, asked.slice_us))
    return made


def _keeps(store: LedgerStore, topic: str, partition: int, offset: int) -> bool:
    """Whether what was below this offset is kept elsewhere than in the log. A database's backup is its owner's."""
    if isinstance(store, SqliteLedger):
        return store.covers(topic, partition, offset)
    return store.offsets().get((topic, partition), 0) >= offset
