"""The store in the journal's file: a row and the events of its change are one SQLite transaction, no relay needed."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.journal_log import Log
from parlance.store import Conflict

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stage_row(
    stage TEXT NOT NULL, session TEXT NOT NULL, version INTEGER NOT NULL, due_us INTEGER, row BLOB,
    UNIQUE(stage, session)) STRICT;
CREATE INDEX IF NOT EXISTS stage_row_due ON stage_row(stage, session) WHERE due_us IS NOT NULL;
"""
_LOAD = "SELECT version, row FROM stage_row WHERE stage = ? AND session = ?"
_INSERT = "INSERT INTO stage_row(stage, session, version, due_us, row) VALUES(?, ?, 1, ?, ?) ON CONFLICT DO NOTHING"
_UPDATE = (
    "UPDATE stage_row SET version = version + 1, due_us = ?, row = ? WHERE stage = ? AND session = ? AND version = ?"
)
_DUE = "SELECT session FROM stage_row WHERE stage = ? AND due_us IS NOT NULL ORDER BY due_us"


class SqliteStore:
    """Uses the writer of `bus`, so all that it does is in call order with the bus's appends."""

    shared = False

    def __init__(self, bus: JournalBus) -> None:
        self._bus = bus
        # Rows of which a save was refused and that were not loaded since. What was in line behind that save may name
        # the very version that the other owner has made meanwhile. The writer's thread alone touches it.
        self._refused: set[tuple[str, str]] = set()
        bus.require(_SCHEMA)

    async def load(self, stage: str, session: str) -> tuple[int, bytes | None]:
        def work(log: Log) -> tuple[int, bytes | None]:
            self._refused.discard((stage, session))
            found: tuple[int, bytes | None] | None = log.db.execute(_LOAD, (stage, session)).fetchone()
            return found or (0, None)

        return await self._bus.work(work)

    def save(  # noqa: PLR0913 - as the protocol has it
        self, stage: str, session: str, version: int, row: bytes | None, due_us: int | None, outbox: Sequence[Out] = ()
    ) -> "asyncio.Future[int]":
        outs = tuple(outbox)

        def work(log: Log) -> int:
            if self._refused and (stage, session) in self._refused:
                raise Conflict(f"a save before that on version {version} was refused")
            if version:
                log.db.execute(_UPDATE, (due_us, row, stage, session, version))
            else:
                log.db.execute(_INSERT, (stage, session, due_us, row))
            if not log.db.changes():
                self._refused.add((stage, session))
                raise Conflict(f"the session's row was saved by somebody else since version {version}")
            for out in outs:
                log.append(out)
            return version + 1

        return self._bus.work(work, outs)

    async def due(self, stage: str) -> list[str]:
        return await self._bus.work(lambda log: [row[0] for row in log.db.execute(_DUE, (stage,))])

    def transact(self, work: Callable[[Any], T]) -> "asyncio.Future[T]":
        return self._bus.work(work, durable=True, atomic=True)

    async def query(self, work: Callable[[Any], T]) -> T:
        return await self._bus.query(work)
