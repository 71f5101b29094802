"""The table of context in the store: a user's contacts and events, one sealed row each, keyed by a digest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from parlance.privacy import KeyDestroyed

SCHEMA = """CREATE TABLE IF NOT EXISTS context_row(
    user_id TEXT NOT NULL, kind TEXT NOT NULL, uid TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(user_id, kind, uid)) STRICT, WITHOUT ROWID"""
_WHAT = "context_row"


class SealsBytes(Protocol):
    """parlance.privacy.Sealing, as far as tables need it."""

    def seal_bytes(self, user: str, what: str, data: bytes) -> bytes: ...

    def open_bytes(self, user: str, what: str, data: bytes) -> bytes: ...


@dataclass(slots=True)
class Counts:
    added: int = 0
    updated: int = 0
    unchanged: int = 0


def load(db: Any, sealing: SealsBytes, user: str, kind: str) -> dict[str, bytes]:
    """uid -> content, of all rows that can be opened."""
    found = db.execute("SELECT uid, data FROM context_row WHERE user_id = ? AND kind = ?", (user, kind)).fetchall()
    return dict(_opened(sealing, user, found))


def merge(db: Any, sealing: SealsBytes, owner: tuple[str, str], rows: Mapping[str, bytes]) -> Counts:
    """Adds and replaces the rows of `owner` (user, kind); what is not among `rows` stays."""
    user, kind = owner
    there, counts = load(db, sealing, user, kind), Counts()
    for uid, data in rows.items():
        if there.get(uid) == data:
            counts.unchanged += 1
            continue
        if uid in there:
            counts.updated += 1
        else:
            counts.added += 1
        db.execute(
            "INSERT INTO context_row VALUES(?,?,?,?) "
            "ON CONFLICT (user_id, kind, uid) DO UPDATE SET data = excluded.data",
            (user, kind, uid, sealing.seal_bytes(user, _WHAT, data)),
        )
    return counts


def _opened(sealing: SealsBytes, user: str, found: Iterable[Any]) -> Iterable[tuple[str, bytes]]:
    for uid, sealed in found:
        try:
            yield uid, sealing.open_bytes(user, _WHAT, sealed)
        except KeyDestroyed:
            continue
