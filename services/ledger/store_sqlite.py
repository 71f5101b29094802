"""The ledger in a SQLite file of its own, so that it never holds the journal's writer up.

Deleted, or damaged and set aside, it is made again from its snapshot and the log.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw

from parlance.errors import Unavailable
from parlance.log import logger
from services.ledger.projections import Rows
from services.ledger.store import Offsets
from services.ledger.tables import FORM, OFFSET, STORED, TOLD_ANEW

_BUSY_MS = 10_000
_OFFSETS = "SELECT topic, part, next_offset FROM ledger_offset"


class SqliteLedger:
    """`path`: the file, such as HOME/ledger.db. Raises Unavailable, which says what to do."""

    def __init__(self, path: Path) -> None:
        self._path, self._saved = path, path.with_suffix(".snapshot.db")
        self._snapping = threading.Lock()
        with self._explained():
            self._db = self._opened()
            self._of_snapshot = _offsets_in(self._saved)

    def close(self) -> None:
        self._db.close()

    def offsets(self) -> Offsets:
        return {(topic, part): offset for topic, part, offset in self.query(_OFFSETS)}

    def save(self, rows: Rows, offsets: Offsets) -> None:
        with self._explained(), self._db:
            for table in STORED:
                names = [c.name for c in table.columns]
                found = ((*key, *map(values.get, names)) for (name, key), values in rows.items() if name == table.name)
                self._db.executemany(table.upsert, found)
            self._db.executemany(OFFSET.upsert, ((*at, offset) for at, offset in offsets.items()))

    def forget_rates(self, before_us: int) -> None:
        with self._explained(), self._db:
            self._db.execute("DELETE FROM ledger_rate WHERE minute_us < ?", (before_us,))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        with self._explained(), closing(_connect(self._path)) as db:
            return list(db.execute(sql, parameters))

    def covers(self, topic: str, partition: int, offset: int) -> bool:
        """Whether the snapshot holds all that was below this offset of the log; it is taken anew where that makes it
        so. The journal asks, in a thread of its own, before it deletes what is past its retention."""
        at = topic, partition
        with self._snapping:
            if self._of_snapshot.get(at, 0) < offset <= self.offsets().get(at, 0):
                self._snap()
            return self._of_snapshot.get(at, 0) >= offset

    def snapshot(self) -> None:
        """Keeps what is saved now, with how far it reaches, in a second file."""
        with self._snapping:
            self._snap()

    def _snap(self) -> None:
        part = self._saved.with_suffix(".part")
        part.unlink(missing_ok=True)
        with self._explained(), closing(_connect(self._path)) as db:
            db.execute("VACUUM INTO ?", (str(part),))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(self._saved)
        self._of_snapshot = _offsets_in(self._saved)

    def _opened(self) -> apsw.Connection:
        if not self._path.exists() and self._saved.exists():
            _copy(self._saved, self._path)
        try:
            return _made(self._path)
        except (apsw.NotADBError, apsw.CorruptError):
            aside = self._path.with_suffix(".damaged.db")
            logger.warning("%s is damaged: it is kept as %s and made again from the log", self._path, aside.name)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._path.replace(aside)
            if self._saved.exists():
                _copy(self._saved, self._path)
            return _made(self._path)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (apsw.CorruptError, apsw.NotADBError) as exc:
            raise Unavailable(
                f"the ledger {self._path} is damaged: stop Parlance, delete it, and start again: the log makes it anew"
            ) from exc
        except (apsw.Error, OSError) as exc:
            raise Unavailable(
                f"the ledger {self._path} cannot be read or written ({type(exc).__name__}): check the disk"
            ) from exc


def _connect(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(_BUSY_MS)
    return db


def _made(path: Path) -> apsw.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = _connect(path)
    try:
        db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-4000")
        found = db.execute("PRAGMA user_version").get
        if found > FORM:
            raise Unavailable(f"the ledger {path} was written by a newer Parlance (form {found}): update Parlance")
        with db:
            for table in (*STORED, OFFSET):
                db.execute(table.create)
            if 0 < found < FORM:
                _widen(db)
            db.execute(f"PRAGMA user_version={FORM}")
    except BaseException:
        db.close()
        raise
    return db


def _widen(db: apsw.Connection) -> None:
    """Gives the tables of an earlier form the columns that they lack. Their rows stay: the log may not hold them any
    more."""
    for table in STORED:
        known = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table.name})")}
        for name, statement in table.added.items():
            if name not in known:
                db.execute(statement)
    db.execute(TOLD_ANEW)


def _copy(source: Path, to: Path) -> None:
    part = to.with_suffix(".part")
    shutil.copyfile(source, part)
    part.replace(to)


def _offsets_in(path: Path) -> Offsets:
    """How far a snapshot reaches; {} where there is none, or none that can be read."""
    if not path.exists():
        return {}
    with contextlib.suppress(apsw.Error), closing(_connect(path)) as db:
        return {(topic, part): offset for topic, part, offset in db.execute(_OFFSETS)}
    return {}
