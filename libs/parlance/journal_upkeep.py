"""The journal's housekeeping: checkpoints, retention, compaction. In a thread and on a connection of its own.

Neither retention nor compaction ever deletes a partition's newest record: the next offset is the newest + 1.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from parlance import clock
from parlance.events import TopicInfo
from parlance.journal_reader import first_at
from parlance.journal_schema import connect, log_table
from parlance.journal_space import Ballast

log = logging.getLogger(__name__)

# The WAL's pages (of 8 KB) at which it is copied back, and at which the writer is held up to begin it anew.
CHECKPOINT_PAGES = 1000
RESTART_PAGES = 4000
CHUNK = 200
PAUSE_S = 0.005
EVERY_S = 60.0
REST_S = 1.0


Pause = Callable[[], bool]
# Of (topic, partition, offset): whether what is below that offset may go. Called in the upkeep's thread.
MayTrim = Callable[[str, int, int], bool]


def anything(topic: str, partition: int, offset: int) -> bool:
    return True


def tidy(
    db: apsw.Connection, topics: Sequence[TopicInfo], pause: Pause = lambda: False, may_trim: MayTrim = anything
) -> int:
    """Deletes what is past its topic's retention and what compaction leaves out; gives the number of records.
    `pause` is called between chunks; True ends the work."""
    ids: dict[Any, Any] = {row[0]: row[1] for row in db.execute("SELECT name, id FROM topic")}
    deleted = 0
    for topic in topics:
        for partition in range(topic.partitions if topic.name in ids else 0):
            table = log_table(ids[topic.name], partition)
            if topic.retention_ms:
                keep_from = _keep_from(db, table, clock.now_us() - topic.retention_ms * 1000)
                if keep_from and may_trim(topic.name, partition, keep_from):
                    deleted += _trim(db, table, keep_from, pause)
            if topic.compacted:
                deleted += _compact(db, table, pause)
    return deleted


def _keep_from(db: apsw.Connection, table: str, before_us: int) -> int:
    """The first offset that is kept; 0 where nothing is below it."""
    oldest, newest = db.execute(f"SELECT min(offset), max(offset) FROM {table}").get
    if newest is None:
        return 0
    keep_from = min(first_at(db, table, before_us), int(newest))
    return keep_from if keep_from > int(oldest) else 0


def _trim(db: apsw.Connection, table: str, keep_from: int, pause: Pause) -> int:
    doomed = f"SELECT offset FROM {table} WHERE offset < {keep_from} ORDER BY offset LIMIT {CHUNK}"
    deleted = 0
    while True:
        with db:
            count = _deleted(db, f"DELETE FROM {table} WHERE offset IN ({doomed})")
        deleted += count
        if count < CHUNK or pause():
            return deleted


def _compact(db: apsw.Connection, table: str, pause: Pause) -> int:
    newest: dict[bytes, int] = {}
    doomed: list[int] = []
    for offset, key in db.execute(f"SELECT offset, key FROM {table} ORDER BY offset"):
        if key in newest:
            doomed.append(newest[key])
        newest[key] = offset
    for at in range(0, len(doomed), CHUNK):
        with db:
            db.executemany(f"DELETE FROM {table} WHERE offset = ?", ((o,) for o in doomed[at : at + CHUNK]))
        if pause():
            return at + CHUNK
    return len(doomed)


def _deleted(db: apsw.Connection, sql: str) -> int:
    db.execute(sql)
    return db.changes()


class Upkeep:
    """The thread. `topics` gives what is declared by now; `failed` says whether the disk refuses."""

    def __init__(
        self,
        path: Path,
        ballast: Ballast,
        topics: Callable[[], Sequence[TopicInfo]],
        failed: Callable[[], str],
        may_trim: MayTrim = anything,
    ) -> None:
        self._path = path
        self._ballast = ballast
        self._topics = topics
        self._failed = failed
        self._may_trim = may_trim
        self._asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._ask_at = CHECKPOINT_PAGES
        self._pages = 0
        self._outrun = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name="journal-upkeep", daemon=True)
        self._thread.start()

    def on_wal(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        """The writer's hook after each commit."""
        self._pages = pages
        if pages >= self._ask_at:
            self._ask_at = 1 << 60  # until this one is done
            restart = pages >= RESTART_PAGES
            self._asked.put(apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    def relieve(self) -> None:
        """The disk is full: frees the ballast, deletes what may go, cuts the WAL short."""
        self._ballast.free()
        self._asked.put(apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        self._stop.set()
        self._asked.put(None)
        self._thread.join()

    def _main(self) -> None:
        db = connect(self._path)
        db.wal_autocheckpoint(0)
        due = 0.0
        while not self._stop.is_set():
            try:
                if time.monotonic() >= due:
                    due = time.monotonic() + EVERY_S
                    self._tidy(db)
                mode = self._next(due - time.monotonic())
                if mode is not None:
                    self._checkpoint(db, mode)
            except apsw.Error as exc:
                log.warning("journal upkeep did not succeed (%s); it is tried again", type(exc).__name__)
                self._ask_at = CHECKPOINT_PAGES
        db.close()

    def _next(self, patience_s: float) -> int | None:
        """The checkpoint that was asked for, or the rest of one that the writer outran; None after `patience_s`."""
        try:
            return self._asked.get(timeout=max(min(patience_s, REST_S if self._outrun else EVERY_S), 0.0))
        except queue.Empty:
            return apsw.SQLITE_CHECKPOINT_PASSIVE if self._outrun else None

    def _tidy(self, db: apsw.Connection) -> None:
        if self._ballast.low():
            log.warning("the disk that holds %s is nearly full: free some space", self._path)
        if not self._failed():
            self._ballast.keep()
        tidy(db, self._topics(), self._pause, self._may_trim)

    def _checkpoint(self, db: apsw.Connection, mode: int) -> None:
        """The bulk beside the writer; only for the rest is it held up."""
        if mode == apsw.SQLITE_CHECKPOINT_TRUNCATE:
            tidy(db, self._topics(), self._pause, self._may_trim)
        self._pages = 0
        pages, copied = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if mode != apsw.SQLITE_CHECKPOINT_PASSIVE:
            pages, copied = db.wal_checkpoint(mode=mode)
        self._outrun = copied < pages or self._pages >= CHECKPOINT_PAGES
        self._ask_at = pages + CHECKPOINT_PAGES if copied < pages else CHECKPOINT_PAGES

    def _pause(self) -> bool:
        return self._stop.wait(PAUSE_S)
