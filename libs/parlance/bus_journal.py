"""The embedded bus: a durable, replayable log in one SQLite file.

One process owns the file and consumes it; others may append and read (`owner=False`). An acknowledged record
survives kill -9; one of a durable topic also survives a power cut. After a power cut an offset of a topic that is
not durable may be used again.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from parlance.bus import Deliver, Out, Record, Subscription
from parlance.errors import Unavailable
from parlance.events import TopicInfo
from parlance.journal_commits import Commits
from parlance.journal_dispatch import Dispatch
from parlance.journal_driver import Driver, InlineDriver, ThreadDriver
from parlance.journal_log import Job, Log, ddl
from parlance.journal_reader import InlineReader, Reader, ThreadReader, end_of, offset_at, read_records
from parlance.journal_schema import open_journal
from parlance.journal_space import Ballast
from parlance.journal_subscription import Plumbing, Start, settle
from parlance.journal_upkeep import MayTrim, Upkeep, anything, tidy
from parlance.journal_writer import HELD_LIMIT, Writer
from parlance.locks import HomeLock

T = TypeVar("T")


class JournalBus:
    """`path`: the file, such as HOME/journal.db. `inline`: all SQL on the loop, no thread (simulations).
    `owner=False`: only append, read, and subscribe without a group, beside the process that owns the file."""

    def __init__(self, path: Path, *, inline: bool = False, owner: bool = True) -> None:
        self._path = path
        self._inline = inline
        self._owner = owner
        self._lock = HomeLock(path.with_suffix(".lock"))
        self._topics: dict[str, TopicInfo] = {}
        self._requirements: list[str] = []
        self._dispatch = Dispatch()
        self._read_failure = ""
        self._unmade = False
        # Asked before retention deletes anything; to be set before the start.
        self.may_trim: MayTrim = anything
        self._running = False
        self._upkeep: Upkeep | None = None
        self._loop: asyncio.AbstractEventLoop
        self._writer: Writer
        self._driver: Driver
        self._reader: Reader
        self._commits: Commits
        self._plumbing: Plumbing

    async def start(self) -> None:
        """Raises Unavailable where the file is broken or another process owns it."""
        self._loop = asyncio.get_running_loop()
        if self._inline:
            self._open()
            self._driver = InlineDriver(self._writer, self._loop, self._dispatch.on_batch)
            self._reader = InlineReader(self._writer.db, self._path, self._loop)
        else:
            await asyncio.to_thread(self._open)
            self._driver = ThreadDriver(self._writer, self._loop, self._dispatch.on_batch)
            self._reader = ThreadReader(self._path, self._loop)
        self._commits = Commits(self._driver, self._loop)
        self._plumbing = Plumbing(
            self._loop, self._driver, self._reader, self._commits, self.flush, self._on_read_failure
        )
        self._running = True
        try:
            for sql in self._requirements:
                self._driver.put(ddl(sql))
            self._make(self._declared())
            await self._made()
        except BaseException:
            self.abort()
            raise

    def _open(self) -> None:
        if self._owner:
            self._lock.acquire()
        try:
            db = open_journal(self._path)
            ballast = Ballast(self._path)
            self._writer = Writer(db, self._path, ballast)
            if self._owner and not self._inline:
                self._upkeep = Upkeep(self._path, ballast, self._declared, lambda: self._writer.failed, self.may_trim)
                self._writer.on_full = self._upkeep.relieve
                db.set_wal_hook(self._upkeep.on_wal)
        except BaseException:
            self._lock.release()
            raise

    async def stop(self) -> None:
        """Raises Unavailable where something appended could not be written."""
        if not self._running:
            return
        self._dispatch.cut()
        self._commits.write()
        self._running = False
        if self._inline:
            self._close()
        else:
            await asyncio.to_thread(self._close)
        if self._writer.held:
            raise Unavailable(self._writer.failed)

    def _close(self) -> None:
        self._driver.close()
        if self._upkeep is not None:
            self._upkeep.close()
        self._reader.close()
        self._writer.db.close()
        self._lock.release()

    def abort(self) -> None:
        """Ends as a kill -9 would: what is not committed is lost, nobody is told. For simulations and tests."""
        if self._running:
            self._dispatch.cut()
            self._running = False
            self._driver.abort()
            self._close()

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        for info in topics:
            self._topics[info.name] = info
            self._dispatch.declare(info)
        if self._running:
            self._make(topics)

    def require(self, sql: str) -> None:
        """Runs idempotent DDL before anything that is appended later: the tables of a store in this file."""
        self._requirements.append(sql)
        if self._running:
            self._driver.put(ddl(sql))

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        job = Job(tuple(outbox), durable=self._durable(outbox))
        if len(self._writer.held) >= HELD_LIMIT:
            raise Unavailable(self.failed)
        if lazy:
            self._driver.put_lazy(job)
        else:
            self._driver.put(job)

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        durable = self._durable((out,))
        future: asyncio.Future[Record] = self._loop.create_future()
        self._driver.put(Job((out,), done=partial(settle, future), durable=durable))
        return future

    def work(
        self, work: Callable[[Log], T], outbox: Sequence[Out] = (), *, durable: bool = False, atomic: bool = False
    ) -> "asyncio.Future[T]":
        """Runs `work(log)` in the writer's transaction, in call order with all appends. `outbox` is only looked at,
        for its topics: `work` appends it. `atomic`: an exception rolls back what it did; without it `work`
        may raise a ParlanceError before it has written anything, and nothing else."""
        durable = self._durable(outbox) or durable
        future: asyncio.Future[T] = self._loop.create_future()
        self._driver.put(Job(work=work, done=partial(settle, future), durable=durable, atomic=atomic))
        return future

    def subscribe(
        self,
        group: str | None,
        topics: Sequence[str],
        deliver: Deliver,
        *,
        partitions: Sequence[int] | None = None,
        from_us: int | None = None,
    ) -> Subscription:
        self._check_running()
        self._check_group(group, topics)
        self._driver.watching = True
        return self._dispatch.subscribe(self._plumbing, Start(group, from_us), topics, deliver, partitions)

    async def read(self, topic: str, partition: int, start: int, limit: int = 1000) -> list[Record]:
        await self._made()
        return await self.query(lambda db: read_records(db, topic, partition, start, limit))

    async def offset_at(self, topic: str, partition: int, ts_us: int) -> int:
        await self._made()
        return await self.query(lambda db: offset_at(db, topic, partition, ts_us))

    async def end(self, topic: str, partition: int) -> int:
        await self._made()
        return await self.query(lambda db: end_of(db, topic, partition))

    async def query(self, work: Callable[[apsw.Connection], T]) -> T:
        """What `work(db)` gives on a read connection, off the loop."""
        self._check_running()
        return await self._reader.run(work)

    async def flush(self) -> None:
        await self.work(lambda _log: None)

    async def upkeep(self) -> int:
        """Retention and compaction now; gives the number of records deleted. The owner does it by itself, but
        not inline."""
        return await self.work(lambda log: tidy(log.db, self._declared(), may_trim=self.may_trim))

    @property
    def failed(self) -> str:
        return self._writer.failed or self._read_failure

    def _declared(self) -> list[TopicInfo]:
        return list(self._topics.values())

    def _make(self, topics: Sequence[TopicInfo]) -> None:
        infos = list(topics)
        self._unmade = True
        self._driver.put(Job(work=lambda log: log.declare(infos)))

    async def _made(self) -> None:
        """Returns when the topics declared so far are in the file."""
        if self._unmade:
            await self.flush()
            self._unmade = False

    def _durable(self, outbox: Sequence[Out]) -> bool:
        """Whether a topic of the outbox demands a sync; refuses topics that were not declared."""
        self._check_running()
        durable = False
        for out in outbox:
            info = self._topics.get(out.topic)
            if info is None or not 0 <= out.partition < info.partitions:
                raise ValueError(f"no partition {out.partition} of a declared topic {out.topic}")
            durable = durable or info.durable
        return durable

    def _check_running(self) -> None:
        if not self._running:
            raise Unavailable("the journal is not open: start the bus first")

    def _check_group(self, group: str | None, topics: Sequence[str]) -> None:
        if group is None:
            return
        if not self._owner:
            raise ValueError("only the process that owns the journal consumes it as a group")
        self._dispatch.check(group, topics)

    def _on_read_failure(self, exc: Exception) -> None:
        self._read_failure = str(exc)
