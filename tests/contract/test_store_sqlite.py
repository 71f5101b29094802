"""The store's contract over the journal's file, in its thread and inline."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlance.bus_journal import JournalBus
from parlance.errors import Unavailable
from parlance.store import Store
from parlance.store_sqlite import SqliteStore
from tests.contract.bus_suite_tools import numbered, out
from tests.contract.store_suite import TOPIC, Owner, StoreSuite, values


class TestSqlite(StoreSuite):
    @pytest.fixture(params=["thread", "inline"])
    async def bus(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalBus]:
        opened = JournalBus(tmp_path / "journal.db", inline=request.param == "inline")
        opened.declare([TOPIC])
        await opened.start()
        yield opened
        await opened.stop()

    @pytest.fixture
    def owner(self, bus: JournalBus) -> Owner:
        return lambda: SqliteStore(bus)

    async def test_a_query_cannot_write(self, store: Store, bus: JournalBus) -> None:
        if bus._inline:
            pytest.skip("inline, queries run on the writer's connection")
        with pytest.raises(Unavailable):
            await store.query(lambda db: db.execute("CREATE TABLE x(y)"))


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    for expected in range(3):
        bus = JournalBus(tmp_path / "journal.db")
        store = SqliteStore(bus)  # before the bus starts, too
        bus.declare([TOPIC])
        await bus.start()
        assert (await store.load("dialogue", "s"))[0] == expected
        await store.save("dialogue", "s", expected, b"row", 5, [out(TOPIC, b"%d" % expected)])
        assert await values(bus) == numbered(expected + 1)
        assert await store.due("dialogue") == ["s"]
        await bus.stop()
