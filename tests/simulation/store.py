"""Rows and tables of the world, through one process's writer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from parlance.bus import Out
from parlance.errors import Unavailable
from parlance.store import Conflict
from tests.simulation.bus import Writer

T = TypeVar("T")


class _Transaction:
    def __init__(self, db: Any) -> None:
        self.db = db
        self.outs: list[Out] = []

    def append(self, out: Out) -> None:
        self.outs.append(out)


class SimStore:
    shared = False

    def __init__(self, writer: Writer) -> None:
        self._writer, self._world = writer, writer.world
        self.life = writer.life
        # Rows whose newest save was refused: what was put in line behind it builds on it, so it is refused too.
        self._refused: set[tuple[str, str]] = set()

    def refused(self) -> "asyncio.Future[int]":
        """A save that does not reach the store."""

        def work() -> int:
            raise Unavailable("no store")

        return self._writer.put(work)

    async def load(self, stage: str, session: str) -> tuple[int, bytes | None]:
        def work() -> tuple[int, bytes | None]:
            self._refused.discard((stage, session))
            version, _, row = self._world.rows.get((stage, session), (0, None, None))
            return version, row

        found: tuple[int, bytes | None] = await self._writer.put(work)
        return found

    def save(  # noqa: PLR0913 - as the protocol has it
        self, stage: str, session: str, version: int, row: bytes | None, due_us: int | None, outbox: Sequence[Out] = ()
    ) -> "asyncio.Future[int]":
        outs, asked_at = tuple(outbox), self._world.loop.time()

        def work() -> int:
            current = self._world.rows.get((stage, session), (0, None, None))[0]
            if current != version or (stage, session) in self._refused:
                self._refused.add((stage, session))
                raise Conflict(f"the session's row was saved by somebody else since version {version}")
            self._world.rows[stage, session] = (version + 1, due_us, row)
            for out in outs:
                self._world.append(out, self._writer.life, asked_at)
            return version + 1

        return self._writer.put(work)

    async def due(self, stage: str) -> list[str]:
        def work() -> list[str]:
            found = [(due, s) for (at, s), (_, due, _) in self._world.rows.items() if at == stage and due is not None]
            return [session for _, session in sorted(found)]

        sessions: list[str] = await self._writer.put(work)
        return sessions

    def transact(self, work: Callable[[Any], T]) -> "asyncio.Future[T]":
        asked_at = self._world.loop.time()

        def whole() -> T:
            transaction = _Transaction(self._world.db)
            self._world.db.execute("BEGIN")
            try:
                made = work(transaction)
            except Exception:
                self._world.db.execute("ROLLBACK")
                raise
            self._world.db.execute("COMMIT")
            for out in transaction.outs:
                self._world.append(out, self._writer.life, asked_at)
            return made

        return self._writer.put(whole)

    async def query(self, work: Callable[[Any], T]) -> T:
        await asyncio.sleep(self._world.delay(0.005))
        return work(self._world.db)
