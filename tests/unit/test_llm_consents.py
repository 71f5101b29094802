"""What users said of a vendor outlives the process, and is known to every other one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import declared
from parlance.privacy import Keys, Sealing
from parlance.v1.turn_pb2 import Consent, Header
from services.llm.consents import TOPIC, Consents

ALWAYS, NEVER, ASK = Consent.CONSENT_ALWAYS, Consent.CONSENT_NEVER, Consent.CONSENT_UNSPECIFIED


@asynccontextmanager
async def opened(home: Path, count: int = 1) -> AsyncGenerator[tuple[JournalBus, list[Consents]], None]:
    """That many processes' views of one log."""
    bus = JournalBus(home / "journal.db")
    bus.declare(declared())
    await bus.start()
    views = [Consents(bus, Sealing(Keys(home / "keys.json")).seal) for _ in range(count)]
    for view in views:
        await view.start()
    try:
        yield bus, views
    finally:
        for view in views:
            await view.stop()
        await bus.stop()


def by(user: str, run: str = "") -> Header:
    return Header(event_id=f"e-{user}", user_id=user, session_id=f"s-{user}", turn_id="t", run=run)


async def test_what_was_said_outlives_the_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, (consents,)):
        await consents.remember(by("ann"), "openai", ALWAYS)
        await consents.remember(by("ann"), "google", NEVER)
        await consents.remember(by("bob"), "openai", NEVER)
    async with opened(tmp_path) as (_, (consents,)):
        assert [consents.of("ann", v) for v in ("openai", "google", "anthropic")] == [ALWAYS, NEVER, ASK]
        assert [consents.of("bob", v) for v in ("openai", "google")] == [NEVER, ASK]


async def test_the_newest_record_of_a_user_says_all_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as (bus, (consents,)):
        said = [("openai", ALWAYS), ("google", NEVER), ("anthropic", ALWAYS)]
        await asyncio.gather(*(consents.remember(by("ann"), *one) for one in said))
        await consents.remember(by("ann"), "openai", ASK)
        newest = (await bus.read(TOPIC, 0, 0))[-1]
    assert newest.key == b"ann"
    async with opened(tmp_path / "elsewhere") as (bus, (consents,)):
        await bus.publish(Out(TOPIC, 0, newest.key, newest.value))
        await consents._subscription.caught_up()  # type: ignore[union-attr]
        assert [consents.of("ann", v) for v in ("openai", "google", "anthropic")] == [ASK, NEVER, ALWAYS]


async def test_another_process_of_llm_knows_it_and_takes_nothing_away(tmp_path: Path) -> None:
    async with opened(tmp_path, 2) as (_, (one, other)):
        await one.remember(by("ann"), "openai", ALWAYS)
        await other.remember(by("ann"), "google", NEVER)
        await one.remember(by("ann"), "anthropic", NEVER)
        assert [one.of("ann", v) for v in ("openai", "google", "anthropic")] == [ALWAYS, NEVER, NEVER]


@pytest.mark.parametrize(("run", "consent"), [("", Consent.CONSENT_ONCE), ("r1", ALWAYS), ("r1", NEVER)])
async def test_once_and_what_is_said_in_a_run_that_is_not_live_are_kept_by_nobody(
    tmp_path: Path, run: str, consent: Consent.ValueType
) -> None:
    async with opened(tmp_path) as (bus, (consents,)):
        await consents.remember(by("ann", run), "openai", consent)
        assert consents.of("ann", "openai") == ASK
        assert await bus.end(TOPIC, 0) == 0


async def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (bus, (consents,)):
        for _ in range(3):
            await consents.remember(by("ann"), "openai", ALWAYS)
        assert await bus.end(TOPIC, 0) == 1


async def test_a_record_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as (bus, (consents,)):
        await bus.publish(Out(TOPIC, 0, b"ann", b"\xff"))
        await consents.remember(by("ann"), "openai", NEVER)
        assert consents.of("ann", "openai") == NEVER


@pytest.mark.parametrize(("user", "vendor"), [("", "openai"), ("ann", "")])
async def test_it_must_be_said_whose_and_of_whom(tmp_path: Path, user: str, vendor: str) -> None:
    async with opened(tmp_path) as (_, (consents,)):
        with pytest.raises(InvalidRequest):
            await consents.remember(by(user), vendor, ALWAYS)


async def test_what_cannot_be_written_is_told_and_not_believed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (bus, (consents,)):
        with pytest.raises(Unavailable):
            await Consents(bus, lambda event: b"").remember(by("ann"), "openai", ALWAYS)

        async def refused(*_: object) -> None:
            raise Unavailable("no disk")

        bus.publish = refused  # type: ignore[assignment, method-assign]
        with pytest.raises(Unavailable, match="no disk"):
            await consents.remember(by("ann"), "openai", ALWAYS)
        assert consents.of("ann", "openai") == ASK
