"""What every store must do, written against the Store protocol and the bus beside it.

A test module of a store subclasses StoreSuite and gives two fixtures: `bus`, started, with TOPIC declared, and `owner`,
which makes one more owner's store on it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from parlance.bus import Bus
from parlance.errors import InvalidRequest
from parlance.events import TopicInfo
from parlance.store import Conflict, Store
from tests.contract.bus_suite_tools import Collector, numbered, out, ready

TOPIC = TopicInfo("one.v1", 4)
Owner = Callable[[], Store]


async def values(bus: Bus) -> list[bytes]:
    return [record.value for part in range(4) for record in await bus.read(TOPIC.name, part, 0)]


class StoreSuite:
    @pytest.fixture
    def bus(self) -> Bus:
        raise NotImplementedError

    @pytest.fixture
    def owner(self) -> Owner:
        raise NotImplementedError

    @pytest.fixture
    def store(self, owner: Owner) -> Store:
        return owner()

    async def test_a_row_that_was_never_saved_has_version_0(self, store: Store) -> None:
        assert await store.load("dialogue", "s") == (0, None)

    async def test_a_saved_row_is_loaded_with_its_version(self, store: Store) -> None:
        assert await store.save("dialogue", "s", 0, b"first", None) == 1
        assert await store.save("dialogue", "s", 1, b"second", None) == 2
        assert await store.load("dialogue", "s") == (2, b"second")
        assert await store.load("other", "s") == (0, None)

    async def test_loading_sees_what_was_saved_without_waiting(self, store: Store) -> None:
        saved = store.save("dialogue", "s", 0, b"row", None)
        assert await store.load("dialogue", "s") == (1, b"row")
        assert await saved == 1

    async def test_a_row_may_be_emptied_and_keeps_its_fence(self, store: Store) -> None:
        await store.save("dialogue", "s", 0, b"row", None)
        await store.save("dialogue", "s", 1, None, None)
        assert await store.load("dialogue", "s") == (2, None)
        with pytest.raises(Conflict):
            await store.save("dialogue", "s", 0, b"late", None)

    async def test_row_and_events_are_one(self, bus: Bus, store: Store) -> None:
        got = Collector()
        await ready(bus.subscribe("g", [TOPIC.name], got))
        await store.save("dialogue", "s", 0, b"row", None, [out(TOPIC, b"a"), out(TOPIC, b"b")])
        await got.until(2)
        assert got.values == [b"a", b"b"]

    async def test_who_saves_on_an_old_version_has_been_replaced_and_appends_nothing(
        self, bus: Bus, store: Store, owner: Owner
    ) -> None:
        await store.save("dialogue", "s", 0, b"row", None)
        with pytest.raises(Conflict):
            await owner().save("dialogue", "s", 0, b"other", None, [out(TOPIC, b"lost")])
        await store.save("dialogue", "s", 1, b"row", None)
        with pytest.raises(Conflict):
            await owner().save("dialogue", "s", 1, b"other", None, [out(TOPIC, b"lost")])
        with pytest.raises(Conflict):
            await owner().save("dialogue", "absent", 7, b"other", None, [out(TOPIC, b"lost")])
        assert await values(bus) == []
        assert await store.load("dialogue", "s") == (2, b"row")

    @pytest.mark.parametrize("saves", [0, 1])
    async def test_what_is_in_line_behind_a_refused_save_is_refused_too(
        self, bus: Bus, store: Store, saves: int, owner: Owner
    ) -> None:
        """The second save in line names the very version that the other owner's one save has made."""
        other = owner()
        for n in range(saves):
            await store.save("dialogue", "s", n, b"row", None)
        version, _ = await other.load("dialogue", "s")
        taken = other.save("dialogue", "s", version, b"other", None)
        in_line = [store.save("dialogue", "s", version + n, b"stale", None, [out(TOPIC, b"lost")]) for n in range(3)]
        assert await taken == version + 1
        for refused in in_line:
            with pytest.raises(Conflict):
                await refused
        assert await other.load("dialogue", "s") == (version + 1, b"other")
        assert await values(bus) == []

    async def test_who_was_refused_loads_the_row_again_and_goes_on(self, bus: Bus, store: Store, owner: Owner) -> None:
        other = owner()
        await other.save("dialogue", "s", 0, b"other", None)
        with pytest.raises(Conflict):
            await store.save("dialogue", "s", 0, b"stale", None)
        assert await store.save("dialogue", "another session", 0, b"row", None) == 1
        version, _ = await store.load("dialogue", "s")
        saves = [store.save("dialogue", "s", version + n, b"row", None) for n in range(2)]
        assert await asyncio.gather(*saves) == [2, 3]
        with pytest.raises(Conflict):
            await other.save("dialogue", "s", 1, b"late", None)

    async def test_saves_and_appends_keep_the_order_of_calls(self, bus: Bus, store: Store) -> None:
        saves: list[asyncio.Future[int]] = []
        for n in range(0, 100, 2):
            saves.append(store.save("dialogue", "s", n // 2, b"%d" % n, None, [out(TOPIC, b"%d" % n)]))
            bus.append([out(TOPIC, b"%d" % (n + 1))])
        assert await asyncio.gather(*saves) == list(range(1, 51))
        await bus.flush()
        assert await values(bus) == numbered(100)

    async def test_sessions_with_a_deadline_are_due_earliest_first(self, store: Store) -> None:
        await store.save("dialogue", "later", 0, b"", 2_000)
        await store.save("dialogue", "sooner", 0, b"", 1_000)
        await store.save("dialogue", "never", 0, b"", None)
        await store.save("actions", "other", 0, b"", 1)
        assert await store.due("dialogue") == ["sooner", "later"]
        await store.save("dialogue", "sooner", 1, b"", None)
        assert await store.due("dialogue") == ["later"]

    async def test_a_transaction_changes_tables_and_appends_together(self, bus: Bus, store: Store) -> None:
        def work(tx: Any) -> str:
            tx.db.execute("CREATE TABLE IF NOT EXISTS item(name TEXT)")
            tx.db.execute("INSERT INTO item VALUES('milk')")
            tx.append(out(TOPIC, b"added"))
            return "done"

        assert await store.transact(work) == "done"
        assert await store.query(lambda db: db.execute("SELECT name FROM item").fetchone()[0]) == "milk"
        assert await values(bus) == [b"added"]

    async def test_a_transaction_that_raises_leaves_nothing_and_spoils_nothing(self, bus: Bus, store: Store) -> None:
        await store.transact(lambda tx: tx.db.execute("CREATE TABLE item(name TEXT UNIQUE)") and None)

        def refuse(tx: Any) -> None:
            tx.db.execute("INSERT INTO item VALUES('milk')")
            tx.append(out(TOPIC, b"lost"))
            raise InvalidRequest("no")

        def twice(tx: Any) -> None:
            tx.append(out(TOPIC, b"lost"))
            tx.db.execute("INSERT INTO item VALUES('tea'), ('tea')")

        got = Collector()
        await ready(bus.subscribe("g", [TOPIC.name], got))
        before = bus.publish(out(TOPIC, b"before"))
        refused, doubled = store.transact(refuse), store.transact(twice)
        after = bus.publish(out(TOPIC, b"after"))
        with pytest.raises(InvalidRequest):
            await refused
        with pytest.raises(Exception, match=r"(?i)unique"):
            await doubled
        assert (await after).offset == (await before).offset + 1
        assert await values(bus) == got.values == [b"before", b"after"]
        assert await store.query(lambda db: db.execute("SELECT count(*) FROM item").fetchone()[0]) == 0

    async def test_a_row_waits_for_what_was_appended_before_it_and_goes_before_what_comes_after(
        self, bus: Bus, store: Store
    ) -> None:
        bus.append([out(TOPIC, b"0"), out(TOPIC, b"1")])
        saved = store.save("dialogue", "k", 0, b"row", None, [out(TOPIC, b"2")])
        bus.append([out(TOPIC, b"3")])
        assert await saved == 1
        assert (await values(bus))[:2] == [b"0", b"1"]
        await bus.flush()
        assert await values(bus) == numbered(4)

    async def test_an_event_of_an_unknown_topic_is_refused_at_once_and_changes_nothing(
        self, bus: Bus, store: Store
    ) -> None:
        with pytest.raises(ValueError, match="declared"):
            store.save("dialogue", "s", 0, b"row", None, [out(TopicInfo("none.v1", 4), b"x")])
        with pytest.raises((ValueError, KeyError)):
            await store.transact(lambda tx: tx.append(out(TopicInfo("none.v1", 4), b"x")))
        assert await store.load("dialogue", "s") == (0, None) and await values(bus) == []
