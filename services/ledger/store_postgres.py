"""The ledger in PostgreSQL: the same tables and the same SQL as in SQLite.

Committed to disk before it is answered (synchronous_commit stays on): whoever reads the log believes what it has saved.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from parlance.errors import Unavailable
from parlance.postgres_address import Address
from services.ledger.projections import Rows
from services.ledger.store import Offsets
from services.ledger.tables import FORM, OFFSET, STORED, TOLD_ANEW

# Whoever makes the tables holds this lock of the database's.
_MAKING = 0x1ED6E5
# As SQLite compares: by bytes, so that both give rows in the same order.
_TEXT = 'TEXT COLLATE "C"'
_OFFSETS = "SELECT topic, part, next_offset FROM ledger_offset"


class PostgresLedger:
    """Raises Unavailable, which says what to do."""

    def __init__(self, address: Address) -> None:
        # Who asks waits for nobody who saves.
        self._saving, self._asking = _Line(address), _Line(address)
        with self._saving.transaction() as db:
            _make(db, address)

    def close(self) -> None:
        self._saving.close()
        self._asking.close()

    def offsets(self) -> Offsets:
        return {(topic, part): offset for topic, part, offset in self.query(_OFFSETS)}

    def save(self, rows: Rows, offsets: Offsets) -> None:
        # In one order, so that two who save the same rows never wait for each other in a circle.
        told = sorted(rows.items(), key=lambda row: row[0])
        with self._saving.transaction() as db, db.cursor() as cursor:
            for table in STORED:
                names = [c.name for c in table.columns]
                found = [(*key, *map(values.get, names)) for (name, key), values in told if name == table.name]
                _many(cursor, table.upsert, found)
            _many(cursor, OFFSET.upsert, sorted((*at, offset) for at, offset in offsets.items()))

    def forget_rates(self, before_us: int) -> None:
        with self._saving.transaction() as db:
            db.execute("DELETE FROM ledger_rate WHERE minute_us < %s", (before_us,))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        with self._asking.transaction() as db:
            return db.execute(_worded(sql), tuple(parameters)).fetchall()


class _Line:
    """A connection that is made when it is needed, and made anew after an error; one thread at a time has it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._db: psycopg.Connection[Any] | None = None

    @contextmanager
    def transaction(self) -> Iterator["psycopg.Connection[Any]"]:
        """All of it or nothing. Raises Unavailable."""
        with self._lock:
            try:
                if self._db is None:
                    self._db = self._address.connect("parlance-ledger")
                with self._db.transaction():
                    yield self._db
            except psycopg.Error as exc:
                self._drop()
                raise self._address.unusable(exc) from exc

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


def _make(db: "psycopg.Connection[Any]", address: Address) -> None:
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
    db.execute("CREATE TABLE IF NOT EXISTS ledger_form(version BIGINT NOT NULL)")
    found = db.execute("SELECT MAX(version) FROM ledger_form").fetchone()
    form = found[0] if found else None
    if form is not None and form > FORM:
        raise Unavailable(f"the ledger in {address} was written by a newer Parlance (form {form}): update Parlance")
    for table in (*STORED, OFFSET):
        db.execute(table.create.replace("TEXT", _TEXT).encode())
    if form != FORM:
        db.execute("INSERT INTO ledger_form VALUES(%s)", (FORM,))
    if form is not None and form < FORM:
        _widen(db)


def _widen(db: "psycopg.Connection[Any]") -> None:
    """Gives the tables of an earlier form the columns that they lack. Their rows stay."""
    for table in STORED:
        for statement in table.added.values():
            db.execute(statement.replace("ADD COLUMN", "ADD COLUMN IF NOT EXISTS").replace("TEXT", _TEXT).encode())
    db.execute(TOLD_ANEW.encode())


def _worded(sql: str) -> bytes:
    """tables.py's SQL as psycopg wants it."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _many(cursor: "psycopg.Cursor[Any]", sql: str, rows: Iterable[Sequence[Any]]) -> None:
    found = [tuple(map(_fit, row)) for row in rows]
    if found:
        cursor.executemany(_worded(sql), found)


def _fit(value: Any) -> Any:
    """Of what a stranger's client may write, PostgreSQL takes no NUL in a text."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
