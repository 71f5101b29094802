"""The store's contract over PostgreSQL, with a journal in Kafka's place."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import Unavailable
from parlance.store import Store
from tests.contract.postgres_tools import JournalAsKafka, relayed
from tests.contract.store_suite import TOPIC, Owner, StoreSuite

pytestmark = pytest.mark.postgres
pytest.importorskip("psycopg")

from parlance.store_postgres import PostgresStore  # noqa: E402 - only where its client is installed


class TestPostgres(StoreSuite):
    @pytest.fixture
    async def bus(self, database_url: str, tmp_path: Path) -> AsyncIterator[Any]:
        async with relayed(database_url, JournalAsKafka(tmp_path / "journal.db"), [TOPIC]) as bus:
            yield bus

    @pytest.fixture
    def owner(self, bus: Any) -> Owner:
        return lambda: PostgresStore(bus)

    async def test_a_query_cannot_write(self, store: Store) -> None:
        with pytest.raises(Unavailable, match="read-only"):
            await store.query(lambda db: db.execute("CREATE TABLE x(y TEXT)"))
