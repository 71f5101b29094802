"""Reads the log into the store: what is missing first, then as a consumer group, once a second, in a thread."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from parlance.bus import Bus, Record, Subscription
from parlance.errors import ParlanceError
from parlance.events import TOPICS
from parlance.log import logger
from services.ledger.projections import READ, Rows, merge, project
from services.ledger.store import LedgerStore, Offsets

GROUP = "ledger"
LAZY_S = 1.0
RETRY_S = 5.0
# Records that wait at most; more wait in the log.
_HELD = 5000
_BATCH = 1000
# So many records are done at once: the turn's loop never waits a millisecond for the interpreter.
_SLICE, _PAUSE_S = 25, 0.002


class Projector:
    """Saves with every batch how far the log is read, so a batch that comes again, or a store that is older than the
    group's offsets (it was deleted, or the power was cut), loses nothing and counts nothing twice."""

    def __init__(self, bus: Bus, store: LedgerStore) -> None:
        self._bus, self._store = bus, store
        self._next: Offsets = {}
        self._pending: list[Record] = []
        self._arrived, self._reading = asyncio.Event(), asyncio.Event()
        self._saving = asyncio.Lock()
        self._subscription: Subscription | None = None
        self._paused = False
        self._warned = ""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def start(self) -> bool:
        """Before anything new is appended. True: the log is another or a shorter one than what was read (a new journal,
        a backup, a power cut), so it is read from its beginning again: what is known already changes nothing."""
        self._next = await asyncio.get_running_loop().run_in_executor(self._pool, self._store.offsets)
        again = {at: 0 for at, offset in self._next.items() if offset > await self._bus.end(*at)}
        if again:
            await asyncio.to_thread(self._store.save, {}, again)
            self._next.update(again)
        return bool(again)

    def close(self) -> None:
        """Waits for the batch in hand."""
        self._pool.shutdown(wait=True)

    async def run(self) -> None:
        """Until cancelled. A disk that refuses is waited for."""
        try:
            await self._tried(self._catch_up)
            self._subscription = self._bus.subscribe(GROUP, READ, self._deliver)
            self._reading.set()
            while True:
                await self._arrived.wait()
                await asyncio.sleep(LAZY_S)
                await self._tried(self._flush)
        finally:
            self._reading.set()
            if self._subscription is not None:
                await self._subscription.stop()

    async def up_to_date(self) -> None:
        """Returns when all that stood in the log when it was called is saved. Raises Unavailable where it cannot be."""
        await self._reading.wait()
        with suppress(ParlanceError):  # a disk that is full still can be read
            await self._bus.flush()
        if self._subscription is not None and not self._paused:
            await self._subscription.caught_up()
        await self._flush()

    def _deliver(self, records: list[Record]) -> None:
        self._pending += records
        self._arrived.set()
        if len(self._pending) > _HELD and not self._paused and self._subscription is not None:
            self._paused = True
            self._subscription.pause()

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                self._warned = ""
                return
            except ParlanceError as exc:
                if exc.message != self._warned:
                    logger.warning("the ledger waits: %s", exc.message)
                self._warned = exc.message
                await asyncio.sleep(RETRY_S)

    async def _catch_up(self) -> None:
        for topic in READ:
            for partition in range(TOPICS[topic].partitions):
                at = topic, partition
                while records := await self._bus.read(topic, partition, self._next.get(at, 0), _BATCH):
                    await self._save(records)

    async def _flush(self) -> None:
        async with self._saving:
            self._arrived.clear()
            records, self._pending = self._pending, []
            try:
                await self._save([r for r in records if r.offset >= self._next.get((r.topic, r.partition), 0)])
            except BaseException:
                self._pending = records + self._pending
                self._arrived.set()
                raise
            self._commit(_reached(records))

    def _commit(self, offsets: Offsets) -> None:
        if self._subscription is None:
            return
        for (topic, partition), offset in offsets.items():
            owned = self._subscription.ownership(topic, partition)
            self._subscription.commit(topic, partition, offset, owned)
        if self._paused:
            self._paused = False
            self._subscription.resume()

    async def _save(self, records: Sequence[Record]) -> None:
        if records:
            offsets = _reached(records)
            await asyncio.get_running_loop().run_in_executor(self._pool, self._read_in, records, offsets)
            self._next.update(offsets)

    def _read_in(self, records: Sequence[Record], offsets: Offsets) -> None:
        rows: Rows = {}
        for at in range(0, len(records), _SLICE):
            merge(rows, project(records[at : at + _SLICE]))
            time.sleep(_PAUSE_S)
        self._store.save(rows, offsets)


def _reached(records: Sequence[Record]) -> Offsets:
    return {(r.topic, r.partition): r.offset + 1 for r in records}
