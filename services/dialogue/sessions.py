"""Dialogue's rows: one per session, cached, encrypted in the store, fenced by their version."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from parlance.bus import Out
from parlance.cut import Cut
from parlance.events import to_bytes
from parlance.log import logger
from parlance.privacy import KeyDestroyed, Sealing
from parlance.store import Conflict, Store
from parlance.v1.state_pb2 import SessionRow

STAGE = "dialogue"
_CACHED = 4096
# Saves after which a row is made anew.
_WORN = 128
# How long a change that nothing follows from may wait for the next one.
_SOON_S = 0.01


@dataclass(slots=True)
class Session:
    """A session's row and the version that it was loaded or saved as."""

    id: str
    user: str
    version: int
    row: SessionRow
    # What may cut the event that is handled now.
    cut: Cut = field(default_factory=Cut)
    # The newest save, and whether one has failed: then the row here is not what is stored.
    saving: "asyncio.Future[int] | None" = None
    lost: bool = False
    # The version at which `row` was made.
    made_at: int = 0
    # The ownership of its partition under which the row was loaded; 0: none is known.
    ownership: int = 0
    # A save that waits for company, and what makes it when none comes.
    soon: "asyncio.Future[int] | None" = None
    timer: asyncio.TimerHandle | None = None

    def renew(self) -> None:
        """A message's memory is let go as a whole, so a row that has seen many turns holds all of them. Does nothing
        while a turn is open: its handler holds a part of the row."""
        if self.version - self.made_at > _WORN and not self.row.open:
            worn, self.row, self.made_at = self.row, SessionRow(), self.version
            self.row.CopyFrom(worn)

    async def saved(self) -> None:
        """Returns when all saves so far are durable. Raises Conflict where another owner has saved the row."""
        if self.saving is not None:
            await asyncio.shield(self.saving)
        if self.lost:
            raise Conflict("a save before the last one failed")


class Sessions:
    def __init__(self, store: Store, sealing: Sealing, stale: Callable[[Session], None] = lambda session: None) -> None:
        """`stale` is told of a row here that others may have saved since."""
        self._store, self._sealing, self._stale = store, sealing, stale
        self._cache: OrderedDict[str, Session] = OrderedDict()

    async def get(self, session_id: str, user: str, ownership: int = 0) -> Session:
        """The session's row, loaded where it is not cached, or was cached under an ownership before this one: in
        between the session was somebody else's."""
        found = self._cache.get(session_id)
        if found is not None and found.ownership < ownership:
            self._let_go(found)
            found = None
        if found is not None:
            self._cache.move_to_end(session_id)
            found.renew()
            return found
        version, blob = await self._store.load(STAGE, session_id)
        if (found := self._cache.get(session_id)) is not None:  # loaded by another task meanwhile
            return found
        found = self._cache[session_id] = self._opened(session_id, user, version, blob)
        found.ownership = ownership
        if blob is not None:
            self.save(found)  # on its next save, an owner from before finds out that it is none any more
        self._evict()
        return found

    def _let_go(self, session: Session) -> None:
        """What waits to be saved is refused now where somebody has saved meanwhile; what they saved counts."""
        if session.soon is not None:
            self._save_now(session)
        del self._cache[session.id]
        self._stale(session)

    def save(self, session: Session, outbox: Sequence[Out] = ()) -> "asyncio.Future[int]":
        """Saves the row and appends, in one transaction, in call order with everything else appended. Raises Conflict
        where an earlier save has failed."""
        if session.lost:
            raise Conflict("another owner has saved this session")
        blob = self._pack(session)
        due = min((t.header.deadline_us for t in session.row.open), default=None)
        if due is None and session.row.waiting:
            due = 0
        made = session.saving = self._store.save(STAGE, session.id, session.version, blob, due, outbox)
        session.version += 1
        made.add_done_callback(lambda done: self._saved(session, done))
        if session.soon is not None:
            made.add_done_callback(partial(_same_end, session.soon))
            self._drop_timer(session)
        return made

    def save_soon(self, session: Session) -> None:
        """Saves the row together with its next change, or after 10 ms."""
        if session.soon is None:
            loop = asyncio.get_running_loop()
            session.saving = session.soon = loop.create_future()
            session.timer = loop.call_later(_SOON_S, self._save_now, session)

    def _save_now(self, session: Session) -> None:
        soon = session.soon
        try:
            self.save(session)
        except Exception as exc:
            self._drop_timer(session)
            if soon is not None and not soon.done():
                soon.set_exception(exc)

    @staticmethod
    def _drop_timer(session: Session) -> None:
        if session.timer is not None:
            session.timer.cancel()
        session.soon = session.timer = None

    async def due(self) -> list[str]:
        return await self._store.due(STAGE)

    def _saved(self, session: Session, done: "asyncio.Future[int]") -> None:
        if done.cancelled() or (exc := done.exception()) is None:
            return
        session.lost = True
        if self._cache.get(session.id) is session:
            del self._cache[session.id]
        logger.warning("dialogue: a session could not be saved: %s", exc)

    def _pack(self, session: Session) -> bytes:
        user = session.user.encode()
        return bytes([len(user)]) + user + self._sealing.seal_bytes(session.user, STAGE, to_bytes(session.row))

    def _opened(self, session_id: str, user: str, version: int, blob: bytes | None) -> Session:
        if blob is None:
            return Session(session_id, user, version, SessionRow())
        end = 1 + blob[0]
        user = blob[1:end].decode()
        try:
            row = SessionRow.FromString(self._sealing.open_bytes(user, STAGE, blob[end:]))
        except KeyDestroyed:
            logger.warning("dialogue: a session's key is gone; it begins anew")
            row = SessionRow()
        return Session(session_id, user, version, row)

    def _evict(self) -> None:
        while len(self._cache) > _CACHED:
            oldest = next((s for s in self._cache.values() if _at_rest(s)), None)
            if oldest is None:
                return
            del self._cache[oldest.id]


def _at_rest(session: Session) -> bool:
    return not session.row.open and not session.row.waiting and session.soon is None


def _same_end(waiting: "asyncio.Future[int]", done: "asyncio.Future[int]") -> None:
    if waiting.done():
        return
    if done.cancelled():
        waiting.cancel()
    elif (exc := done.exception()) is not None:
        waiting.set_exception(exc)
    else:
        waiting.set_result(done.result())
