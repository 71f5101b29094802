"""The tables of actions in the store, inside one transaction. What a user said or owns stands in them sealed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from parlance import ids
from parlance.errors import Unavailable
from parlance.events import to_bytes
from parlance.privacy import KeyDestroyed
from parlance.v1.reply_pb2 import Settlement
from parlance.v1.turn_pb2 import Header
from services.actions.domain import Data, Row

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS actions_call(
        call_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, action TEXT NOT NULL, digest BLOB NOT NULL,
        settlement INTEGER NOT NULL, header BLOB NOT NULL, began_us INTEGER NOT NULL, response BLOB NOT NULL) STRICT""",
    "CREATE INDEX IF NOT EXISTS actions_call_began ON actions_call(began_us)",
    f"""CREATE INDEX IF NOT EXISTS actions_call_begun ON actions_call(settlement)
        WHERE settlement = {Settlement.SETTLEMENT_BEGUN}""",
    """CREATE TABLE IF NOT EXISTS actions_begun(
        call_id TEXT PRIMARY KEY, until_us INTEGER NOT NULL) STRICT""",
    """CREATE TABLE IF NOT EXISTS actions_row(
        n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, user_id TEXT NOT NULL, kind TEXT NOT NULL,
        due_us INTEGER NOT NULL, header BLOB NOT NULL, data BLOB NOT NULL) STRICT""",
    "CREATE INDEX IF NOT EXISTS actions_row_of ON actions_row(user_id, kind)",
    "CREATE INDEX IF NOT EXISTS actions_row_due ON actions_row(due_us) WHERE due_us > 0",
)
_COLUMNS = ("call_id", "user_id", "action", "digest", "settlement", "header", "began_us", "response")
_CALL = f"SELECT {', '.join(_COLUMNS)} FROM actions_call"
_CLAIM = "INSERT INTO actions_call VALUES(?,?,?,?,?,?,?,?) ON CONFLICT (call_id) DO NOTHING RETURNING call_id"
_END = "UPDATE actions_call SET settlement = ?, response = ? WHERE call_id = ? AND settlement = ? RETURNING call_id"
_OVERDUE = (
    f"SELECT {', '.join('c.' + name for name in _COLUMNS)} FROM actions_call AS c "
    "LEFT JOIN actions_begun AS b ON b.call_id = c.call_id WHERE c.settlement = ? AND coalesce(b.until_us, 0) < ?"
)
_ROW_KIND, _CALL_KIND = "actions_row", "actions_call"


class SealsBytes(Protocol):
    """parlance.privacy.Sealing, as far as tables need it."""

    def seal_bytes(self, user: str, what: str, data: bytes) -> bytes: ...

    def open_bytes(self, user: str, what: str, data: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class CallRow:
    """How a call stands. `response`: the RunResponse, serialised; empty where there is none."""

    call_id: str
    user: str
    action: str
    digest: bytes
    settlement: Settlement.ValueType
    header: Header
    began_us: int
    response: bytes


class Calls:
    """One row per call id; the first writer wins."""

    def __init__(self, db: Any, sealing: SealsBytes) -> None:
        self._db = db
        self._sealing = sealing

    def find(self, call_id: str) -> CallRow | None:
        found = self._db.execute(f"{_CALL} WHERE call_id = ?", (call_id,)).fetchone()
        return None if found is None else self._read(found)

    def claim(self, row: CallRow) -> bool:
        """Writes the row where there is none of its call yet; the first writer wins, also between processes."""
        return self._db.execute(_CLAIM, self._values(row)).fetchone() is not None

    def begin(self, row: CallRow, until_us: int) -> bool:
        """Claims a row for an act that reaches outside; from `until_us` on nobody is at it any more."""
        if not self.claim(row):
            return False
        self._db.execute("INSERT INTO actions_begun VALUES(?,?)", (row.call_id, until_us))
        return True

    def end(self, row: CallRow) -> bool:
        """How a begun call ended; False where that was said before."""
        begun = int(Settlement.SETTLEMENT_BEGUN)
        values = (int(row.settlement), self._sealed(row), row.call_id, begun)
        self._db.execute("DELETE FROM actions_begun WHERE call_id = ?", (row.call_id,))
        return self._db.execute(_END, values).fetchone() is not None

    def overdue(self, now_us: int) -> list[CallRow]:
        """Calls that are begun, but at which nobody is any more."""
        found = self._db.execute(_OVERDUE, (int(Settlement.SETTLEMENT_BEGUN), now_us)).fetchall()
        return [self._read(row) for row in found]

    def forget_before(self, began_us: int) -> None:
        self._db.execute("DELETE FROM actions_call WHERE began_us < ?", (began_us,))

    def _values(self, row: CallRow) -> tuple[Any, ...]:
        told = (row.call_id, row.user, row.action, row.digest, int(row.settlement))
        return *told, to_bytes(row.header), row.began_us, self._sealed(row)

    def _sealed(self, row: CallRow) -> bytes:
        return self._sealing.seal_bytes(row.user, _CALL_KIND, row.response) if row.response else b""

    def _read(self, found: Any) -> CallRow:
        call_id, user, action, digest, settlement, header, began_us, sealed = found
        try:
            response = self._sealing.open_bytes(user, _CALL_KIND, sealed) if sealed else b""
        except KeyDestroyed:
            response = b""
        return CallRow(call_id, user, action, digest, settlement, Header.FromString(header), began_us, response)


class UserRows:
    """domain.Rows of the user whose call this is; in a run, of the person that it names. New rows' ids derive from the
    call's. Nothing goes off in a run, so there what is due before the turn's "now" is gone."""

    def __init__(self, db: Any, sealing: SealsBytes, call_id: str, header: Header) -> None:
        self._db = db
        self._sealing = sealing
        self._call_id = call_id
        self._header = header
        self._owner = header.person or header.user_id
        self._gone_us = (header.as_of_us or header.asked_at_us) if header.run else 0
        self._added = 0

    def all(self, kind: str) -> list[Row]:
        found = self._db.execute(
            "SELECT id, due_us, data FROM actions_row WHERE user_id = ? AND kind = ? "
            "AND (due_us = 0 OR due_us > ?) ORDER BY n",
            (self._owner, kind, self._gone_us),
        ).fetchall()
        return list(self._readable(found))

    def add(self, kind: str, data: Data, due_us: int = 0) -> Row:
        row = Row(ids.derived(self._call_id, kind, self._added), data, due_us)
        self._added += 1
        user = self._header.user_id
        sealed = self._sealing.seal_bytes(user, _ROW_KIND, json.dumps(dict(data), sort_keys=True).encode())
        self._db.execute(
            "INSERT INTO actions_row(id, user_id, kind, due_us, header, data) VALUES(?,?,?,?,?,?)",
            (row.id, self._owner, kind, due_us, to_bytes(self._header) if due_us else b"", sealed),
        )
        return row

    def remove(self, row: Row) -> None:
        """Raises Unavailable where it went meanwhile (it was due, in another process): the act begins anew."""
        if self._db.execute("DELETE FROM actions_row WHERE id = ? RETURNING id", (row.id,)).fetchone() is None:
            raise Unavailable("what was to be removed changed at this moment: ask again")

    def _readable(self, found: Iterable[Any]) -> Iterable[Row]:
        for row_id, due_us, sealed in found:
            data = _opened(self._sealing, self._header.user_id, sealed)
            if data is not None:
                yield Row(row_id, data, due_us)


@dataclass(frozen=True, slots=True)
class DueRow:
    """A timer or alarm whose time has come, with the header of the turn that set it."""

    id: str
    kind: str
    data: Data
    due_us: int
    header: Header


def next_due_us(db: Any) -> int | None:
    """When the next timer goes off, or the next call that is still begun becomes unknown."""
    timer = db.execute("SELECT min(due_us) FROM actions_row WHERE due_us > 0").fetchone()
    begun = db.execute("SELECT min(until_us) FROM actions_begun").fetchone()
    return min((at for (at,) in (timer, begun) if at is not None), default=None)


def take_due(db: Any, sealing: SealsBytes, now_us: int) -> list[DueRow]:
    """The rows that are due, oldest first; they are gone once the transaction is committed."""
    found = db.execute(
        "SELECT id, kind, due_us, header, data, user_id FROM actions_row WHERE due_us > 0 AND due_us <= ? "
        "ORDER BY due_us, n",
        (now_us,),
    ).fetchall()
    due = []
    for row_id, kind, due_us, header, sealed, user in found:
        if db.execute("DELETE FROM actions_row WHERE id = ? RETURNING id", (row_id,)).fetchone() is None:
            continue  # another process's
        data = _opened(sealing, user, sealed)
        if data is not None:
            due.append(DueRow(row_id, kind, data, due_us, Header.FromString(header)))
    return due


def _opened(sealing: SealsBytes, user: str, sealed: bytes) -> Data | None:
    """None where the user's key was destroyed: the row is as good as gone."""
    try:
        found: dict[str, str] = json.loads(sealing.open_bytes(user, _ROW_KIND, sealed))
    except KeyDestroyed:
        return None
    return found
