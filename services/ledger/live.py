"""What the ledger's Faust app does with a batch: rows, live rates and how far both reach, in one transaction."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from parlance import clock
from parlance.bus import Record
from parlance.errors import Unavailable
from parlance.log import logger
from services.ledger.projections import Rows, merge, project
from services.ledger.rates import MINUTE_US, Amount, Counted, counts, kept, row, since_us
from services.ledger.store import LedgerStore, Offsets

RETRY_S = 5.0


class LiveLedger:
    """Saves batches with their rates. `windows`: a windowed table of Faust's, Counted -> window -> Amount."""

    def __init__(self, store: LedgerStore, windows: Any) -> None:
        self._store, self._windows = store, windows
        self._forgotten_us = 0
        self._warned = ""

    async def save(self, records: Sequence[Record]) -> None:
        """Returns when the rows, the rates and how far they reach are saved, however long the database is away."""
        told = await asyncio.to_thread(lambda: [project((record,)) for record in records])
        rows: Rows = {}
        for each in told:
            merge(rows, each)
        now_us = clock.now_us()
        rows |= self._count(records, told, now_us)
        offsets = {(r.topic, r.partition): r.offset + 1 for r in records}
        await self._tried(lambda: self._store.save(rows, offsets))
        if now_us - self._forgotten_us > MINUTE_US:
            await self._tried(lambda: self._store.forget_rates(since_us(now_us)))
            self._forgotten_us = now_us

    def _count(self, records: Sequence[Record], told: Sequence[Rows], now_us: int) -> Rows:
        """The rows of the windows that changed."""
        changed: Rows = {}
        since = since_us(now_us)
        for record, rows in zip(records, told, strict=True):
            minute_us = record.ts_us // MINUTE_US * MINUTE_US
            if rows and minute_us >= since:
                for counted, amount in counts(record, rows).items():
                    changed |= row(counted, minute_us, self._add(counted, minute_us, amount))
        return changed

    def _add(self, counted: Counted, minute_us: int, amount: Amount) -> Amount:
        window = self._windows.table.window.current(minute_us / 1e6)
        total: Amount = self._windows[counted][window].told(amount)
        self._windows[counted][window] = total
        return total

    async def resume(self) -> Offsets:
        """How far the log has been read into what is saved; what was counted until then is in the table."""
        offsets: Offsets = await self._tried(self._store.offsets)
        for counted, minute_us, amount in await self._tried(lambda: kept(self._store.query, clock.now_us())):
            window = self._windows.table.window.current(minute_us / 1e6)
            if amount.next_offset > self._windows[counted][window].next_offset:
                self._windows[counted][window] = amount
        return offsets

    async def _tried(self, work: Callable[[], Any]) -> Any:
        """As often as it takes."""
        while True:
            try:
                done = await asyncio.to_thread(work)
                self._warned = ""
                return done
            except Unavailable as exc:
                if exc.message != self._warned:
                    logger.warning("the ledger waits: %s", exc.message)
                self._warned = exc.message
                await asyncio.sleep(RETRY_S)
