"""Brings the events of committed saves from the outbox to Kafka, in the order of each key, and forgets them there.

An event is handed over as soon as its transaction is committed. Where Kafka takes no more, its key is parked: what
comes stays in the table until it is read from there. What an earlier process left is relayed by whoever loads the
row, and by a sweep. An event may come twice, never not at all; its id tells.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from parlance.bus import Out, Record
from parlance.errors import InvalidRequest, ParlanceError, Unavailable
from parlance.postgres_address import RETRY_S
from parlance.postgres_database import Database
from parlance.postgres_jobs import Acked, Told, Transaction, Work
from parlance.postgres_tables import OF_KEYS, REFUSE, TAKE, event_of
from parlance.relay_counts import settle
from parlance.relay_lines import Lines

# Events of saves on their way to Kafka: more of them stay in the table until these have arrived.
_MOST = 2_000
_PIECE = 500
_KEYS = 8
_FORGET_S = 0.05
SWEEP_S = 2.0
# An event that has waited so long belongs to a process that is gone, or to one that is as stuck as Kafka.
_AGE_S = 5.0

Relay = Callable[[Out], "asyncio.Future[Record]"]
Found = list[tuple[int, Out]]


class Outbox:
    """`topics`: the names of those that this process may write."""

    def __init__(self, database: Database, lines: Lines, relay: Relay) -> None:
        self._database, self._lines, self._relay = database, lines, relay
        self._loop = asyncio.get_running_loop()
        self._flying: dict[int, asyncio.Future[Record]] = {}
        self._parked: set[bytes] = set()
        self._reading: set[bytes] = set()
        self._acked: list[int] = []
        self._forgetting: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._running = True
        self.topics: list[str] = []
        self.refused = ""

    def hand(self, told: Told) -> None:
        """The events of a transaction that was committed."""
        if told.ids is None:
            for out in told.outs:
                self._park(out.key)
            return
        self._hand(zip(told.ids, told.outs, strict=True))

    def hand_found(self, found: Sequence[Any]) -> list["asyncio.Future[Record]"]:
        """Rows of the table, from the first one of each of their keys on; gives what is on its way now."""
        events = [event_of(row) for row in found]
        if len(found) == _PIECE:  # there may be more of these keys
            for _, out in events:
                self._park(out.key)
            return []
        self._hand(events)
        return [self._flying[number] for number, _ in events if number in self._flying]

    def wanted(self, **more: Any) -> dict[str, Any]:
        """The parameters of a query for rows to relay."""
        return {"topics": self.topics, "flying": [*self._flying, *self._acked], "limit": _PIECE, **more}

    def park(self, outs: Iterable[Out]) -> None:
        """Of these it is not known whether they stand in the table."""
        for out in outs:
            self._park(out.key)

    async def flush(self) -> None:
        """Returns when what was handed over so far has been acknowledged."""
        parked = set(self._parked)
        while True:
            if before := list(self._flying.values()):
                await asyncio.wait(before)
            if not parked & self._parked:
                break
            await asyncio.sleep(_FORGET_S)
        if before := list(self._flying.values()):
            await asyncio.wait(before)

    def stop(self) -> None:
        """What is not acknowledged stays in the table."""
        self._running = False
        for timer in (self._forgetting, self._again):
            if timer is not None:
                timer.cancel()
        if self._acked:
            self._forget()

    async def sweep(self) -> None:
        """What others have left, a piece at a time; raises Unavailable where the database is away."""
        if len(self._flying) >= _MOST:
            return
        made: asyncio.Future[Told] = self._loop.create_future()
        wanted = self.wanted(age_s=_AGE_S)

        def work(tx: Transaction) -> Any:
            keys = list({key for (key,) in tx.db.raw(TAKE, wanted)})
            return tx.db.raw(OF_KEYS, {**wanted, "keys": keys}).fetchall() if keys else []

        self._database.put(Work(work, partial(settle, made), reads=True, since=self._loop.time()))
        found = (await made).value
        self.hand_found([row for row in found if not self._lines.parked(bytes(row[3]))])

    def _hand(self, events: Iterable[tuple[int, Out]]) -> None:
        for number, out in events:
            if number in self._flying or self._lines.parked(out.key):
                continue
            if len(self._flying) >= _MOST or not self._send(number, out):
                self._park(out.key)

    def _send(self, number: int, out: Out) -> bool:
        try:
            sent = self._relay(out)
        except InvalidRequest as exc:
            self._report(out, exc)
            self._mark_refused(number)
            return True
        except Unavailable:
            return False
        self._flying[number] = sent
        sent.add_done_callback(partial(self._arrived, number, out))
        return True

    def _arrived(self, number: int, out: Out, sent: "asyncio.Future[Record]") -> None:
        if not self._running or sent.cancelled():
            return
        del self._flying[number]
        if (exc := sent.exception()) is not None:
            self._report(out, exc)  # it stays in the table; the sweep tries again
            return
        self._acked.append(number)
        if self._forgetting is None:
            self._forgetting = self._loop.call_later(_FORGET_S, self._forget)

    def _forget(self) -> None:
        self._forgetting = None
        ids, self._acked = self._acked, []
        try:
            self._database.put(Acked(ids))
        except Unavailable:
            self._acked = ids + self._acked
            if self._running:
                self._forgetting = self._loop.call_later(RETRY_S, self._forget)

    def _park(self, key: bytes) -> None:
        if key not in self._parked:
            self._parked.add(key)
            self._lines.park(key)
        self._look_again(RETRY_S)

    def _look_again(self, seconds: float) -> None:
        if self._again is None and self._running:
            self._again = self._loop.call_later(seconds, self._unpark)

    def _unpark(self) -> None:
        self._again = None
        room = len(self._flying) < _MOST // 2
        for key in [k for k in self._parked if k not in self._reading][: _KEYS if room else 0]:
            try:
                self._read(key)
            except Unavailable:
                break
        if self._parked:
            self._look_again(RETRY_S)

    def _read(self, key: bytes) -> None:
        """In line with the commits: what is committed before it is found by it, what comes later is handed over."""
        wanted = self.wanted(keys=[key])
        work = Work(
            lambda tx: tx.db.raw(OF_KEYS, wanted).fetchall(),
            partial(self._found, key),
            reads=True,
            since=self._loop.time(),
        )
        self._database.put(work)
        self._reading.add(key)

    def _found(self, key: bytes, told: Any) -> None:
        self._reading.discard(key)
        if not isinstance(told, Told):
            return  # the database is away; it is asked again
        for number, out in map(event_of, told.value):
            if len(self._flying) >= _MOST or (number not in self._flying and not self._send(number, out)):
                return
        if len(told.value) < _PIECE:
            self._parked.discard(key)
            self._lines.unpark(key)

    def _mark_refused(self, number: int) -> None:
        work = Work(lambda tx: tx.db.raw(REFUSE, ([number],)), lambda _: None, since=self._loop.time())
        try:
            self._database.put(work)
        except Unavailable:
            return  # the sweep finds it again, with the same end

    def _report(self, out: Out, exc: BaseException) -> None:
        told = exc.message if isinstance(exc, ParlanceError) else type(exc).__name__
        self.refused = f"an event for {out.topic} was refused and is not on Kafka: {told}"
        self._loop.call_exception_handler({"message": "an append failed", "exception": exc})
