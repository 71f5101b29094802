"""The journal's file: how it is opened, what tables it has, what its errors mean to the user.

One table per partition, its rowid is the offset. Ids in table names come from the table `topic`, never from
anybody's text. The file is never opened by plain I/O in a process that has it open: that would drop its locks.
"""

import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from parlance.errors import Unavailable
from parlance.events import TopicInfo

# Before it, a WAL reset by two connections at once could corrupt the file.
OLDEST_SQLITE = (3, 51, 3)
VERSION = 1
BUSY_S = 10.0

DISK_ERRORS = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.ProtocolError,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS topic(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL, durable INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS committed(
    grp TEXT NOT NULL, topic INTEGER NOT NULL, part INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY(grp, topic, part)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS probe(filler BLOB) STRICT;
"""

_HEADER = struct.Struct(">HI")


def log_table(topic_id: int, partition: int) -> str:
    return f"log_{topic_id}_{partition}"


def explain(exc: Exception, path: Path) -> Unavailable:
    """What a database error means and what to do."""
    match exc:
        case apsw.FullError():
            text = f"the disk that holds {path} is full: free some space, and work goes on by itself; nothing is lost"
        case apsw.CorruptError() | apsw.NotADBError():
            text = (
                f"the journal {path} is damaged: stop Parlance, move the file away (with its -wal) or put a backup "
                "in its place, and start again; nothing has been deleted"
            )
        case apsw.ReadOnlyError() | apsw.CantOpenError():
            text = f"the journal {path} cannot be opened for writing: check the owner and mode of it and its directory"
        case apsw.BusyError():
            text = f"another process has kept the journal {path} locked for {BUSY_S:.0f} s: end it or wait"
        case _:
            text = f"the journal {path} cannot be read or written ({type(exc).__name__}): check the disk"
    return Unavailable(text)


def _wait_for_lock(tries: int) -> bool:
    """SQLite's own back-off starves a writer beside an importer: try every millisecond."""
    time.sleep(0.001)
    return tries < BUSY_S * 1000


def connect(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """A connection with the journal's settings. Raises apsw.Error."""
    db = apsw.Connection(str(path), statementcachesize=1000)
    db.set_busy_handler(_wait_for_lock)
    db.transaction_mode = "IMMEDIATE"  # a transaction that read first could not wait for the lock
    if read_only:
        db.execute("PRAGMA query_only=1; PRAGMA cache_size=-4000")
        return db
    db.execute("PRAGMA page_size=8192")
    mode = db.execute("PRAGMA journal_mode=WAL").get
    if mode != "wal":
        db.close()
        raise Unavailable(f"{path} is on a file system without shared memory (NFS?): put the home on a local disk")
    db.execute("PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-16000")
    return db


def open_journal(path: Path) -> apsw.Connection:
    """Opens the file for writing, makes it where there is none. Raises Unavailable, which says what to do."""
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < OLDEST_SQLITE:
        raise Unavailable(f"SQLite {apsw.sqlite_lib_version()} may corrupt the journal: pip install -U apsw")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = connect(path)
        found = db.execute("PRAGMA user_version").get
        if found > VERSION:
            db.close()
            raise Unavailable(f"the journal {path} was written by a newer Parlance (form {found}): update Parlance")
        if found < VERSION:
            with db:
                db.execute(_SCHEMA)
                db.execute(f"PRAGMA user_version={VERSION}")
    except apsw.Error as exc:
        raise explain(exc, path) from exc
    except OSError as exc:
        raise Unavailable(f"{path.parent} cannot be used ({exc.strerror}): set PARLANCE_HOME") from exc
    return db


def make_topics(db: apsw.Connection, topics: Sequence[TopicInfo]) -> dict[str, tuple[int, int]]:
    """Makes what is missing, inside the caller's transaction. Gives (id, partitions) by name; a topic that has
    more partitions already keeps them."""
    made: dict[str, tuple[int, int]] = {}
    known: dict[Any, Any] = {row[1]: row for row in db.execute("SELECT id, name, partitions, durable FROM topic")}
    for info in topics:
        row = known.get(info.name)
        if row is None or row[2] < info.partitions or bool(row[3]) != info.durable:
            db.execute(
                "INSERT INTO topic(name, partitions, durable) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE "
                "SET partitions = max(partitions, ?2), durable = ?3",
                (info.name, info.partitions, int(info.durable)),
            )
            row = db.execute("SELECT id, name, partitions FROM topic WHERE name = ?", (info.name,)).get
            _make_logs(db, row[0], row[2])
        made[info.name] = (row[0], row[2])
    return made


def _make_logs(db: apsw.Connection, topic_id: int, partitions: int) -> None:
    for part in range(partitions):
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {log_table(topic_id, part)}(offset INTEGER PRIMARY KEY, "
            "ts INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB) STRICT"
        )


def pack_headers(headers: tuple[tuple[str, bytes], ...]) -> bytes | None:
    if not headers:
        return None
    parts: list[bytes] = []
    for name, value in headers:
        raw = name.encode()
        parts += (_HEADER.pack(len(raw), len(value)), raw, value)
    return b"".join(parts)


def unpack_headers(blob: bytes | None) -> tuple[tuple[str, bytes], ...]:
    if not blob:
        return ()
    headers = []
    at = 0
    while at < len(blob):
        name, value = _HEADER.unpack_from(blob, at)
        at += _HEADER.size
        headers.append((blob[at : at + name].decode(), blob[at + name : at + name + value]))
        at += name + value
    return tuple(headers)
