"""Reading the journal's file off the loop (inline: in the call), in bounded pieces."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw

from parlance.bus import Record
from parlance.journal_schema import DISK_ERRORS, connect, explain, log_table, unpack_headers

T = TypeVar("T")

# So much of one partition is read at once: audio pieces are large.
READ_BYTES = 4 << 20


def read_records(db: apsw.Connection, topic: str, partition: int, start: int, limit: int) -> list[Record]:
    """Up to `limit` records, and about 4 MB, from offset `start` on."""
    table = _table(db, topic, partition)
    records: list[Record] = []
    size = 0
    rows = db.execute(
        f"SELECT offset, ts, key, value, headers FROM {table} WHERE offset >= ? ORDER BY offset LIMIT ?", (start, limit)
    )
    for offset, ts, key, value, headers in rows:
        records.append(Record(topic, partition, offset, ts, key, value, unpack_headers(headers)))
        size += len(value)
        if size > READ_BYTES:
            rows.close()
            break
    return records


def end_of(db: apsw.Connection, topic: str, partition: int) -> int:
    """The next offset of a partition."""
    newest = db.execute(f"SELECT max(offset) FROM {_table(db, topic, partition)}").get
    return 0 if newest is None else int(newest) + 1


def first_at(db: apsw.Connection, table: str, ts_us: int) -> int:
    """The offset of the first record at or after `ts_us`, the next offset without any: ts never decreases, so
    it is a bisection."""
    low, high = db.execute(f"SELECT min(offset), max(offset) FROM {table}").get
    if low is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        offset, ts = db.execute(f"SELECT offset, ts FROM {table} WHERE offset >= ? LIMIT 1", (middle,)).get
        if ts >= ts_us:
            high = middle
        else:
            low = offset + 1
    return int(low)


def offset_at(db: apsw.Connection, topic: str, partition: int, ts_us: int) -> int:
    """As `Bus.offset_at`, holes skipped."""
    table = _table(db, topic, partition)
    found = first_at(db, table, ts_us)
    exact = db.execute(f"SELECT offset FROM {table} WHERE offset >= ? LIMIT 1", (found,)).get
    return found if exact is None else int(exact)


def _table(db: apsw.Connection, topic: str, partition: int) -> str:
    row = db.execute("SELECT id, partitions FROM topic WHERE name = ?", (topic,)).fetchone()
    if row is None or not 0 <= partition < row[1]:
        raise ValueError(f"no partition {partition} of a topic {topic}")
    return log_table(row[0], partition)


class Reader(Protocol):
    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """What `work` gives on a read connection. Raises Unavailable where the file cannot be read."""
        ...

    def submit(self, work: Callable[[apsw.Connection], Any], done: Callable[[Any], None]) -> None:
        """The same; `done` is called on the loop with the value or the exception."""

    def close(self) -> None: ...


class ThreadReader:
    """Two threads, so that a long query does not stop subscribers from catching up; made when first needed."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="journal-reader")
        self._own = threading.local()
        self._opened: list[apsw.Connection] = []

    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._loop.run_in_executor(self._pool, self._call, work)

    def submit(self, work: Callable[[apsw.Connection], Any], done: Callable[[Any], None]) -> None:
        self._pool.submit(self._call, work).add_done_callback(partial(self._tell, done))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for db in self._opened:
            db.close()

    def _call(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            db: apsw.Connection | None = getattr(self._own, "db", None)
            if db is None:
                db = self._own.db = connect(self._path, read_only=True)
                self._opened.append(db)
            return work(db)
        except DISK_ERRORS as exc:
            raise explain(exc, self._path) from exc

    def _tell(self, done: Callable[[Any], None], future: "ThreadFuture[Any]") -> None:
        if not future.cancelled() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(done, future.exception() or future.result())


class InlineReader:
    """Reads in the call, on the writer's connection."""

    def __init__(self, db: apsw.Connection, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._db = db
        self._path = path
        self._loop = loop

    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        return self._call(work)

    def submit(self, work: Callable[[apsw.Connection], Any], done: Callable[[Any], None]) -> None:
        try:
            value: Any = self._call(work)
        except Exception as exc:
            value = exc
        self._loop.call_soon(done, value)

    def close(self) -> None:
        """The connection is the writer's."""

    def _call(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return work(self._db)
        except DISK_ERRORS as exc:
            raise explain(exc, self._path) from exc
