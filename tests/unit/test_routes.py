"""Routes on the control topic: set, replaced only where nobody was quicker, brought back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, topic_of
from parlance.routes import Routes
from parlance.v1.control_pb2 import RouteSet


@asynccontextmanager
async def bus_in(folder: Path) -> AsyncIterator[JournalBus]:
    bus = JournalBus(folder / "journal.db")
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[JournalBus]:
    async with bus_in(tmp_path) as made:
        yield made


@asynccontextmanager
async def reading(bus: JournalBus) -> AsyncIterator[Routes]:
    routes = Routes(bus)
    await routes.start()
    try:
        yield routes
    finally:
        await routes.stop()


def tts(target: str) -> RouteSet:
    return RouteSet(stage="tts", target=target)


async def test_what_is_set_is_in_force_here_when_it_returns(bus: JournalBus) -> None:
    async with reading(bus) as routes:
        made = await routes.set(tts("tone:"))
        assert made.version == "v1" and routes.current("tts") == made
        assert (await routes.set(tts("flite:rms"), "v1")).version == "v2"


async def test_only_the_version_that_was_looked_at_is_replaced(bus: JournalBus) -> None:
    async with reading(bus) as routes:
        await routes.set(tts("tone:"))
        with pytest.raises(InvalidRequest, match=r"tts is v1 by now, no longer v0.*parlance routes list"):
            await routes.set(tts("flite:rms"), "v0")
        assert routes.current("tts").target == "tone:"


async def test_of_many_who_replace_the_same_version_at_once_one_wins(bus: JournalBus) -> None:
    async with reading(bus) as routes:
        results = await asyncio.gather(*(routes.set(tts(f"flite:{n}"), "v0") for n in range(5)), return_exceptions=True)
        won = [r for r in results if isinstance(r, RouteSet)]
        assert len(won) == 1 and routes.current("tts") == won[0]


async def test_at_two_gateways_the_quicker_one_wins_and_the_other_is_told(bus: JournalBus) -> None:
    async with reading(bus) as one, reading(bus) as other:
        results = await asyncio.gather(
            one.set(tts("flite:one"), "v0"), other.set(tts("flite:other"), "v0"), return_exceptions=True
        )
        (won,) = [r for r in results if isinstance(r, RouteSet)]
        (lost,) = [r for r in results if isinstance(r, InvalidRequest)]
        assert "again" in lost.message
        async with reading(bus) as third:
            assert third.current("tts").target == won.target
            assert third.before("tts").target == "hibari:"


async def test_undoing_goes_back_version_by_version_and_no_further_than_the_first(bus: JournalBus) -> None:
    async with reading(bus) as routes:
        for target in ("flite:a", "flite:b", "flite:c"):
            await routes.set(tts(target))
        undone = []
        for _ in range(3):
            made = await routes.set(routes.before("tts"))
            undone.append((made.target, made.version, made.brings_back))
        assert undone == [("flite:b", "v4", "v2"), ("flite:a", "v5", "v1"), ("hibari:", "v6", "v0")]
        with pytest.raises(InvalidRequest, match="tts has no version before v6"):
            routes.before("tts")


async def test_what_is_set_after_an_undo_is_undone_to_what_the_undo_brought_back(bus: JournalBus) -> None:
    async with reading(bus) as routes:
        for target in ("flite:a", "flite:b"):
            await routes.set(tts(target))
        await routes.set(routes.before("tts"))
        await routes.set(tts("flite:c"))
        assert (routes.before("tts").target, routes.before("tts").brings_back) == ("flite:a", "v1")


async def test_all_versions_are_known_after_a_restart(tmp_path: Path) -> None:
    async with bus_in(tmp_path) as bus, reading(bus) as routes:
        for target in ("flite:a", "flite:b"):
            await routes.set(tts(target))
    async with bus_in(tmp_path) as bus, reading(bus) as routes:
        assert routes.current("tts").target == "flite:b" and routes.before("tts").target == "flite:a"
