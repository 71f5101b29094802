"""The store of the stack: rows in PostgreSQL, their events in an outbox beside them, relayed to Kafka by the bus."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from parlance.bus import Out
from parlance.bus_relayed import RelayedBus
from parlance.errors import Unavailable
from parlance.kafka_address import STOP_S
from parlance.postgres_address import HELD_LIMIT
from parlance.postgres_jobs import Row, Save, Told, Transaction, Work
from parlance.postgres_tables import DUE, LOAD, OF_ROW
from parlance.relay_counts import settle
from parlance.relay_lines import Entry
from parlance.store import Conflict

T = TypeVar("T")


class PostgresStore:
    """Uses the writer and the lines of `bus`, so what it saves is in call order with the appends of the same key."""

    shared = True

    def __init__(self, bus: RelayedBus) -> None:
        self._bus = bus
        # Rows of which a save was refused and that were not loaded since. The writer's thread alone touches it.
        self._refused: set[Row] = set()

    async def load(self, stage: str, session: str) -> tuple[int, bytes | None]:
        """What earlier owners' saves left in the outbox is on its way to Kafka before this returns, and waited for
        for ten seconds: what this owner appends comes after it in any case."""
        self._bus.check(())
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        sent: list[asyncio.Future[Any]] = []
        entry = Entry((session.encode(),), lambda: self._put(entry, self._loading((stage, session), done)), save=True)

        def done(told: Any) -> None:
            if isinstance(told, Told):
                told, left = told.value
                sent.extend(self._bus.outbox.hand_found(left))
            settle(future, told)
            self._bus.lines.done(entry)

        self._bus.lines.put(entry)
        version, row = await future
        if sent:
            await asyncio.wait(sent, timeout=STOP_S)
        return version, row

    def save(  # noqa: PLR0913 - as the protocol has it
        self, stage: str, session: str, version: int, row: bytes | None, due_us: int | None, outbox: Sequence[Out] = ()
    ) -> "asyncio.Future[int]":
        bus, outs = self._bus, tuple(outbox)
        bus.check(outs)
        if bus.lines.waiting >= HELD_LIMIT:
            raise Unavailable(bus.failed or f"{HELD_LIMIT} saves and events wait already")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        save = Save(self._refused, (stage, session), version, row, due_us, outs, bus.durable(outs))
        keys = dict.fromkeys((session.encode(), *(out.key for out in outs)))
        entry = Entry(tuple(keys), lambda: self._put(entry, save), save=True)
        save.done = partial(self._saved, entry, save, future, bus.counts.began())
        bus.lines.put(entry)
        return future

    async def due(self, stage: str) -> list[str]:
        found: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._bus.database.put(self._reading(lambda tx: tx.db.raw(DUE, (stage,)).fetchall(), partial(settle, found)))
        return [session for (session,) in (await found).value]

    def transact(self, work: Callable[[Any], T]) -> "asyncio.Future[T]":
        """In call order with the transactions before it, and the saves that wait for nobody; its events follow those
        of whatever was committed before."""
        loop, bus = asyncio.get_running_loop(), self._bus
        bus.check(())
        future: asyncio.Future[T] = loop.create_future()
        number = bus.counts.began()

        def checked(tx: Transaction) -> T:
            made = work(tx)
            bus.check(tx.outs)
            return made

        def done(told: Any) -> None:
            if isinstance(told, Told):
                bus.outbox.hand(told)
                told = told.value
            settle(future, told)
            bus.counts.ended(number)

        try:
            bus.database.put(Work(checked, done, durable=True, since=loop.time()))
        except Unavailable as exc:
            done(exc)
        return future

    async def query(self, work: Callable[[Any], T]) -> T:
        return await self._bus.database.query(work)

    def _put(self, entry: Entry, job: Save | Work) -> bool:
        """False: too much waits for the database already."""
        job.since = asyncio.get_running_loop().time()
        try:
            self._bus.database.put(job)
        except Unavailable:
            self._bus.retry_later(entry.keys)
            return False
        return True

    def _saved(self, entry: Entry, save: Save, future: "asyncio.Future[int]", number: int, told: Any) -> None:
        if isinstance(told, Told):
            self._bus.outbox.hand(told)
            told = told.value
        elif not isinstance(told, Conflict):  # whether it was done may not be known
            self._bus.outbox.park(save.outs)
        settle(future, told)
        self._bus.lines.done(entry)
        self._bus.counts.ended(number)

    def _loading(self, row: Row, done: Callable[[Any], None]) -> Work:
        stage, session = row
        wanted = self._bus.outbox.wanted(stage=stage, session=session, key=session.encode())

        def work(tx: Transaction) -> Any:
            self._refused.discard(row)
            found = tx.db.raw(LOAD, row).fetchone() or (0, None)
            return found, tx.db.raw(OF_ROW, wanted).fetchall()

        return self._reading(work, done)

    def _reading(self, work: Callable[[Transaction], Any], done: Callable[[Any], None]) -> Work:
        return Work(work, done, reads=True, since=asyncio.get_running_loop().time())
