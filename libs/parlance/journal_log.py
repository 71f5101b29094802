"""The journal's log as the writer's transaction sees it, what can be asked of it, and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw

from parlance.bus import Out, Record
from parlance.events import TopicInfo
from parlance.journal_schema import log_table, make_topics, pack_headers


@dataclass(slots=True)
class Job:
    """One thing to do in call order: append `outs`, then do `work(log)`.

    `done` is called on the loop with the value (the last record, or what `work` gave) or an exception. A job
    without it is kept and tried again when the disk refuses. `atomic`: in a savepoint of its own."""

    outs: Sequence[Out] = ()
    work: "Callable[[Log], Any] | None" = None
    done: Callable[[Any], None] | None = None
    durable: bool = False
    atomic: bool = False


@dataclass(slots=True)
class Batch:
    """What the loop is told of one transaction. `heads`: (topic, partition, next offset) after others appended."""

    outcomes: list[tuple[Callable[[Any], None], Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    heads: list[tuple[str, int, int]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.records or self.heads or self.errors)


class PartitionEnd:
    """Where a partition ends. `next` < 0: not known, the file must be asked."""

    __slots__ = ("insert", "latest", "next", "ts_us")

    def __init__(self, table: str) -> None:
        self.insert = f"INSERT INTO {table} VALUES(?,?,?,?,?)"
        self.latest = f"SELECT offset, ts FROM {table} ORDER BY offset DESC LIMIT 1"
        self.next = -1
        self.ts_us = 0


class Log:
    """What a job sees inside the writer's transaction: the connection, and the log to append to."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.records: list[Record] = []
        self.now_us = 0
        self._execute = db.cursor().execute
        self._ends: dict[str, list[PartitionEnd]] = {}
        self._ids: dict[str, int] = {}
        self._declared: list[str] = []

    def begin(self, records: list[Record], now_us: int) -> None:
        """A transaction begins; what it appends goes to `records`, stamped `now_us` or later."""
        self.records = records
        self.now_us = now_us
        self._declared.clear()

    def undo(self) -> None:
        """The transaction was rolled back, and with it the tables that it made."""
        for name in self._declared:
            self._ends.pop(name, None)
        self._declared.clear()
        self.forget()

    def append(self, out: Out) -> Record:
        end = self._ends[out.topic][out.partition]
        if end.next < 0:
            self._find(end)
        if end.ts_us < self.now_us:
            end.ts_us = self.now_us
        record = Record(out.topic, out.partition, end.next, end.ts_us, out.key, out.value, out.headers)
        self._execute(end.insert, (end.next, end.ts_us, out.key, out.value, pack_headers(out.headers)))
        end.next += 1
        self.records.append(record)
        return record

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        for name, (topic_id, partitions) in make_topics(self.db, topics).items():
            self._declared.append(name)
            self._ids[name] = topic_id
            self._ends[name] = [PartitionEnd(log_table(topic_id, p)) for p in range(partitions)]

    def topic_id(self, name: str) -> int:
        return self._ids[name]

    def table(self, topic: str, partition: int) -> str:
        return log_table(self._ids[topic], partition)

    def head(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        end = self._ends[topic][partition]
        if end.next < 0:
            self._find(end)
        return end.next

    def heads(self) -> list[tuple[str, int, int]]:
        return [(topic, n, self.head(topic, n)) for topic, ends in self._ends.items() for n in range(len(ends))]

    def forget(self) -> None:
        """What is known of the ends is void: others appended, or a transaction was rolled back."""
        for ends in self._ends.values():
            for end in ends:
                end.next = -1

    def _find(self, end: PartitionEnd) -> None:
        # To its end: a statement left open would hold its snapshot, and the next transaction could not wait for a lock.
        row = self._execute(end.latest).get
        end.next, end.ts_us = (row[0] + 1, row[1]) if row else (0, 0)


def ddl(sql: str) -> Job:
    """A job that runs idempotent DDL."""
    return Job(work=lambda log: log.db.execute(sql) and None)
