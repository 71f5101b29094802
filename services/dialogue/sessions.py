"""Dialogue's rows: one per session, cached, encrypted in the store, fenced by their version."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from parlance.bus import Out
from parlance.cut import Cut
from parlance.events import to_bytes
from parlance.log import logger
from parlance.privacy import KeyDestroyed, Sealing
from parlance.store import Conflict, Store
from parlance.v1.state_pb2 import SessionRow

STAGE = "dialogue"
_CACHED = 4096


@dataclass(slots=True)
class Session:
    """A session's row and the version that it was loaded or saved as."""

    id: str
    user: str
    version: int
    row: SessionRow
    # Events to append together with the next save.
    outbox: list[Out] = field(default_factory=list)
    # What may cut the event that is handled now.
    cut: Cut = field(default_factory=Cut)


class Sessions:
    def __init__(self, store: Store, sealing: Sealing) -> None:
        self._store, self._sealing = store, sealing
        self._cache: OrderedDict[str, Session] = OrderedDict()
        self._replaced: set[str] = set()

    async def get(self, session_id: str, user: str) -> Session:
        """The session's row, loaded where it is not cached. Raises Conflict once where it was saved by another
        owner meanwhile."""
        if session_id in self._replaced:
            self._replaced.discard(session_id)
            raise Conflict("another owner saved this session")
        found = self._cache.get(session_id)
        if found is None:
            version, blob = await self._store.load(STAGE, session_id)
            found = self._cache[session_id] = Session(session_id, user, version, self._open(user, session_id, blob))
            self._evict()
        else:
            self._cache.move_to_end(session_id)
        return found

    def save(self, session: Session, outbox: Sequence[Out] = ()) -> "asyncio.Future[int]":
        """Saves the row and appends, in one transaction, in call order with everything else appended."""
        blob = self._pack(session)
        due = min((t.header.deadline_us for t in session.row.open), default=None)
        if due is None and session.row.waiting:
            due = 0
        made = self._store.save(STAGE, session.id, session.version, blob, due, [*session.outbox, *outbox])
        session.outbox.clear()
        session.version += 1
        made.add_done_callback(lambda done: self._saved(session.id, done))
        return made

    async def due(self) -> list[str]:
        return await self._store.due(STAGE)

    def _saved(self, session_id: str, done: "asyncio.Future[int]") -> None:
        if done.cancelled() or (exc := done.exception()) is None:
            return
        self._cache.pop(session_id, None)
        if isinstance(exc, Conflict):
            self._replaced.add(session_id)
        logger.error("dialogue: a session could not be saved: %s", exc)

    def _pack(self, session: Session) -> bytes:
        user = session.user.encode()
        return bytes([len(user)]) + user + self._sealing.seal_bytes(session.user, STAGE, to_bytes(session.row))

    def _open(self, user: str, session_id: str, blob: bytes | None) -> SessionRow:
        if blob is None:
            return SessionRow()
        end = 1 + blob[0]
        try:
            return SessionRow.FromString(self._sealing.open_bytes(blob[1:end].decode(), STAGE, blob[end:]))
        except KeyDestroyed:
            logger.warning("dialogue: a session's key is gone; it begins anew")
            return SessionRow()

    async def stored(self, session_id: str) -> Session:
        """A session at start, whose user only its row knows."""
        _, blob = await self._store.load(STAGE, session_id)
        user = blob[1 : 1 + blob[0]].decode() if blob else ""
        return await self.get(session_id, user)

    def _evict(self) -> None:
        while len(self._cache) > _CACHED:
            oldest = next((s for s in self._cache.values() if not s.row.open and not s.row.waiting), None)
            if oldest is None:
                return
            del self._cache[oldest.id]
