"""The service `Ledger`: projections of the log, and what they add up to."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from parlance import clock
from parlance.bus import Bus
from parlance.errors import InvalidRequest, ParlanceError, Unavailable, unexpected
from parlance.log import logger
from parlance.rpc import Call
from parlance.v1.ledger_service_pb2 import SummariseRequest, SummariseResponse
from services.ledger.projections import READ
from services.ledger.projector import Projector
from services.ledger.slices import slices
from services.ledger.stats import stats
from services.ledger.store_sqlite import SqliteLedger

_DAYS, _MOST_DAYS = 30, 36_500
# A ledger that cannot keep up holds the log's retention no longer: what was promised to be deleted is deleted.
_HOLDS_S = 86_400.0


class LedgerService:
    """`path`: its file, such as HOME/ledger.db; `time_zone`: where today begins. Between `opened` it answers."""

    def __init__(self, bus: Bus, path: Path, time_zone: str = "UTC") -> None:
        self._bus, self._path, self._zone = bus, path, ZoneInfo(time_zone)
        self._store: SqliteLedger | None = None
        self._projector: Projector | None = None
        self._held_since: float | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Raises Unavailable where its file is of a newer form or cannot be used."""
        store = self._store = await asyncio.to_thread(SqliteLedger, self._path)
        projector = self._projector = Projector(self._bus, store)
        try:
            if await projector.start():
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
        asked = request.stats
        if not 0 <= asked.days <= _MOST_DAYS:
            raise InvalidRequest(f"days are 1 to {_MOST_DAYS}, not {asked.days}")
        store, projector = self._store, self._projector
        if store is None or projector is None:
            raise Unavailable("the ledger does not run: try again in a second, or see the log")
        await projector.up_to_date()
        since = self._first_day(asked.days or _DAYS)
        found = await asyncio.to_thread(stats, store.query, asked.run, since)
        if asked.slice_us:
            found.slices.extend(await asyncio.to_thread(slices, store.query, asked.run, since, asked.slice_us))
        yield SummariseResponse(stats=found)

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
            if store is not None and store.covers(topic, partition, offset):
                self._held_since = None
                return True
        except ParlanceError as exc:
            logger.warning("no snapshot of the ledger: %s", exc.message)
        self._held_since = self._held_since or time.monotonic()
        return time.monotonic() - self._held_since > _HOLDS_S
