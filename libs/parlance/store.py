"""The Store: one row per stage and session, saved together with the events that its change caused.

This is the one place where the embedded form (row and log append in one SQLite transaction) and the stack
(PostgreSQL row, relay to Kafka) differ. A row's version fences: who saves on an old version has been replaced.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from parlance.bus import Out
from parlance.errors import ParlanceError

T = TypeVar("T")


class Conflict(ParlanceError):
    """The row was saved by somebody else since it was loaded: this owner has been replaced."""


class Store(Protocol):
    """One owner's hold on the rows: two owners of a session each have a Store of their own."""

    # Whether other processes may have these rows too.
    shared: bool

    async def load(self, stage: str, session: str) -> tuple[int, bytes | None]:
        """(version, row); (0, None) where there is none. After a Conflict, this makes the row savable again."""

    def save(  # noqa: PLR0913 - a row's whole address, its content and what it caused
        self, stage: str, session: str, version: int, row: bytes | None, due_us: int | None, outbox: Sequence[Out] = ()
    ) -> "asyncio.Future[int]":
        """Replaces version `version` by `version + 1` and appends the outbox, in one transaction, in call order
        with the bus's appends. The future gives the new version, or raises Conflict (and appends nothing).
        After a Conflict every save of this row raises it until the row is loaded again: what was in line behind the
        refused save builds on it, also where its version happens to be the one that the other owner has made.
        `due_us`: when this session wants to be looked at again (deadlines); None: never."""

    async def due(self, stage: str) -> list[str]:
        """The sessions of this stage that have a `due_us`."""

    def transact(self, work: "Callable[[Any], T]") -> "asyncio.Future[T]":
        """Runs `work(tx)` in the writer's thread in one durable transaction, in call order with the transactions before
        it (embedded: with all appends; on PostgreSQL its events follow those of what was committed before). `tx.db` is
        the connection (SQL of the calling service, on tables of its own, in the form that `postgres_sql` describes),
        `tx.append(out)` appends in the same transaction. An exception rolls all of it back and is raised. Where the
        database was away `work` may run more than once; what it did counts once."""

    async def query(self, work: "Callable[[Any], T]") -> T:
        """Runs `work(db)` on a read connection off the loop."""
