"""A subscription: records go to it straight from the writer's batches while it keeps up, otherwise from the
partition's tail, otherwise from the file."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apsw

from parlance.bus import Deliver, Record
from parlance.errors import Unavailable
from parlance.journal_commits import Commits
from parlance.journal_driver import Driver
from parlance.journal_log import Job, Log
from parlance.journal_reader import Reader, first_at, read_records
from parlance.journal_tail import Cursor, Partition
from parlance.journal_writer import RETRY_S

# Records of one partition that are read from the file at once.
CHUNK = 256


@dataclass(slots=True)
class Plumbing:
    """What a subscription needs of its bus."""

    loop: asyncio.AbstractEventLoop
    driver: Driver
    reader: Reader
    commits: Commits
    flush: Callable[[], Awaitable[None]]
    failed: Callable[[Exception], None]


@dataclass(slots=True)
class Start:
    """Where to begin: a group at its committed offsets; for itself alone at a time (None: with what comes)."""

    group: str | None
    from_us: int | None

    def find(self, places: Sequence[tuple[str, int]], log: Log) -> list[tuple[int, int]]:
        """(begin, head) of each (topic, partition); runs in the writer, so in call order with all appends."""
        found = []
        for topic, partition in places:
            head = log.head(topic, partition)
            found.append((min(self._begin(log, topic, partition, head), head), head))
        return found

    def _begin(self, log: Log, topic: str, partition: int, head: int) -> int:
        if self.group is not None:
            sql = "SELECT offset FROM committed WHERE grp = ? AND topic = ? AND part = ?"
            offset = log.db.execute(sql, (self.group, log.topic_id(topic), partition)).get
            if offset is not None:
                return int(offset)
        elif self.from_us is None:
            return head
        return first_at(log.db, log.table(topic, partition), self.from_us or 0)


class JournalSubscription:
    """Made by `JournalBus.subscribe`; `on_stop` is called once, when it gives up its partitions."""

    def __init__(self, plumbing: Plumbing, start: Start, deliver: Deliver, on_stop: Callable[[], None]) -> None:
        self._plumbing = plumbing
        self._group = start.group
        self._start = start
        self._deliver = deliver
        self._on_stop = on_stop
        self._cursors: dict[tuple[str, int], Cursor] = {}
        self._inbox: list[Record] = []
        self._paused = False
        self._stopped = False
        self._reading = False
        self.lagging = False
        """Some partition's head may be further on than its cursor."""
        self._waiters: list[tuple[asyncio.Future[None], list[tuple[Cursor, int]]]] = []

    def open(self, partitions: Sequence[tuple[Partition, int]]) -> None:
        """Begins to read these (partition, ownership)."""
        for partition, ownership in partitions:
            self._cursors[partition.topic, partition.number] = Cursor(partition, self, ownership)
        self._seek()

    def _seek(self) -> None:
        find = partial(self._start.find, list(self._cursors))
        self._plumbing.driver.put(Job(work=find, done=self._opened))

    def commit(self, topic: str, partition: int, next_offset: int, ownership: int) -> None:
        current = self._cursors[topic, partition].ownership
        if self._group is not None and not self._stopped and ownership >= current:
            self._plumbing.commits.add(self._group, topic, partition, next_offset)

    def ownership(self, topic: str, partition: int) -> int:
        return self._cursors[topic, partition].ownership

    def when_given(self, call: Callable[[], None]) -> None:
        """Never: a journal has one process."""

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._plumbing.loop.call_soon(self.flush)

    async def caught_up(self) -> None:
        heads: asyncio.Future[Any] = self._plumbing.loop.create_future()
        places = list(self._cursors)
        work = partial(_heads, places)
        self._plumbing.driver.put(Job(work=work, done=partial(settle, heads)))
        goal = list(zip(self._cursors.values(), await heads, strict=True))
        waiter: asyncio.Future[None] = self._plumbing.loop.create_future()
        self._waiters.append((waiter, goal))
        self.flush()
        await waiter

    async def stop(self) -> None:
        if self._stopped:
            return
        self.cut()
        self._on_stop()
        self._plumbing.commits.write()
        with contextlib.suppress(Unavailable):  # not written: they are delivered again
            await self._plumbing.flush()

    def cut(self) -> None:
        """No delivery from now on."""
        self._stopped = True
        self._inbox.clear()
        for cursor in self._cursors.values():
            if cursor in cursor.partition.cursors:
                cursor.partition.cursors.remove(cursor)
        self._fail_waiters(Unavailable("the subscription was stopped"))

    def offer(self, cursor: Cursor, record: Record) -> None:
        """A new record; taken here only if it is the next one. `flush` follows."""
        if record.offset == cursor.next and not self._paused:
            cursor.next += 1
            self._inbox.append(record)
        else:
            self.lagging = True

    def flush(self) -> None:
        """Delivers what is there and goes for what is missing."""
        if self._paused or self._stopped:
            return
        self._hand_over()
        if self.lagging and not self._reading:
            self._catch_up()
        if self._waiters:
            self._settle_waiters()

    def _hand_over(self) -> None:
        if self._inbox:
            records, self._inbox = self._inbox, []
            try:
                self._deliver(records)
            except Exception as exc:
                self._plumbing.loop.call_exception_handler({"message": "a delivery failed", "exception": exc})

    def _opened(self, found: Any) -> None:
        if self._stopped:
            return
        if isinstance(found, Exception):
            self._broken(found)
            self._plumbing.loop.call_later(RETRY_S, self._seek)
            return
        for cursor, (begin, head) in zip(self._cursors.values(), found, strict=True):
            cursor.next = begin
            cursor.partition.jump(head)
            cursor.partition.cursors.append(cursor)
        self.lagging = True
        self.flush()

    def _catch_up(self) -> None:
        if self._paused or self._stopped:  # by the delivery just made
            return
        self.lagging = False
        wanted: list[tuple[Cursor, int]] = []
        for cursor in self._cursors.values():
            if cursor.next < cursor.partition.head:
                records = cursor.partition.since(cursor.next)
                if records:
                    self._inbox += records
                    cursor.next = cursor.partition.head
                else:
                    wanted.append((cursor, cursor.next))
        self._hand_over()
        if wanted and not self._stopped:
            self._reading = True
            self._plumbing.reader.submit(partial(_read, wanted), partial(self._read_done, wanted))

    def _read_done(self, wanted: list[tuple[Cursor, int]], found: Any) -> None:
        self._reading = False
        self.lagging = True
        if self._stopped:
            return
        if isinstance(found, Exception):
            self._broken(found)
            return
        for (cursor, _), records in zip(wanted, found, strict=True):
            # Nothing there although the head is further on cannot be (the newest is kept); never spin on it.
            cursor.next = records[-1].offset + 1 if records else cursor.partition.head
            self._inbox += records
        self.flush()

    def _broken(self, exc: Exception) -> None:
        self._plumbing.failed(exc)
        self._fail_waiters(exc)

    def _settle_waiters(self) -> None:
        if self._inbox:
            return
        done = [w for w, goal in self._waiters if all(cursor.next >= head for cursor, head in goal)]
        self._waiters = [(w, goal) for w, goal in self._waiters if w not in done and not w.done()]
        for waiter in done:
            settle(waiter, None)

    def _fail_waiters(self, exc: Exception) -> None:
        for waiter, _ in self._waiters:
            settle(waiter, exc)
        self._waiters.clear()


def settle(future: "asyncio.Future[Any]", value: Any) -> None:
    """Ends a future with a value or an exception; one that was cancelled stays so."""
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)


def _heads(places: Sequence[tuple[str, int]], log: Log) -> list[int]:
    return [log.head(topic, partition) for topic, partition in places]


def _read(wanted: list[tuple[Cursor, int]], db: apsw.Connection) -> list[list[Record]]:
    return [read_records(db, c.partition.topic, c.partition.number, start, CHUNK) for c, start in wanted]
