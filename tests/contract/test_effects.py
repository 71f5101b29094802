"""The rules of effects on SQLite, where one process has the rows, and on PostgreSQL, where several do."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from parlance.events import TOPICS
from parlance.privacy import Keys, Sealing
from services.actions.service import ActionsService
from services.actions.ticker import Ticker
from tests.contract.effects_suite import EffectsSuite, OpenReplica
from tests.contract.effects_suite_shared import SharedEffectsSuite
from tests.contract.postgres_tools import JournalAsKafka, relayed
from tests.unit.actions_home import Home


class TestSqlite(EffectsSuite):
    @pytest.fixture
    async def open_replica(self, tmp_path: Path) -> AsyncIterator[OpenReplica]:
        made: list[Home] = []

        async def open_one() -> Home:
            home = Home(tmp_path)
            await home.open()
            made.append(home)
            return home

        yield open_one
        for home in made:
            await home.close()


class Replica(Home):
    """Actions on PostgreSQL; `log` is everybody's."""

    def __init__(self, path: Path, url: str, log: Any, sealing: Sealing) -> None:
        super().__init__(path)
        self.sealing = sealing
        self._url, self._log, self._stack = url, log, AsyncExitStack()

    async def open(self) -> None:
        from parlance.store_postgres import PostgresStore

        bus = relayed(self._url, self._log, list(TOPICS.values()), "actions")
        self.bus: Any = await self._stack.enter_async_context(bus)
        self.store: Any = PostgresStore(self.bus)
        self.ticker = Ticker(self.store, self.sealing)
        self.service = ActionsService(self.store, self.sealing, self.ticker)
        await self.service.start()

    async def close(self) -> None:
        await self._stack.aclose()

    async def events(self) -> list[Any]:
        await self.bus.flush()
        return await super().events()


class EverybodysJournal(JournalAsKafka):
    """One journal for several buses: it begins and ends with the test."""

    async def begin(self) -> None:
        self.declare(list(TOPICS.values()))
        await super().start()

    async def finish(self) -> None:
        await super().stop()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@pytest.mark.postgres
class TestPostgres(SharedEffectsSuite):
    @pytest.fixture
    async def open_replica(self, tmp_path: Path, database_url: str) -> AsyncIterator[OpenReplica]:
        pytest.importorskip("psycopg")
        log, made = EverybodysJournal(tmp_path / "journal.db"), []
        sealing = Sealing(Keys(tmp_path / "keys.json"))
        await log.begin()

        async def open_one() -> Home:
            home = Replica(tmp_path, database_url, log, sealing)
            await home.open()
            made.append(home)
            return home

        yield open_one
        for home in made:
            await home.close()
        await log.finish()
