"""Saves of a session: at once, or together with the next one."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from parlance.bus import Out
from parlance.privacy import Keys, Sealing
from parlance.store import Conflict
from services.dialogue.sessions import Session, Sessions


class Desk:
    """A store that notes the versions it is given, and settles each save when told to."""

    def __init__(self) -> None:
        self.saves: list[asyncio.Future[int]] = []
        self.versions: list[int] = []

    async def load(self, stage: str, session: str) -> tuple[int, bytes | None]:
        return 0, None

    def save(  # noqa: PLR0913 - as the protocol has it
        self, stage: str, session: str, version: int, row: bytes | None, due_us: int | None, outbox: Sequence[Out] = ()
    ) -> "asyncio.Future[int]":
        self.versions.append(version)
        self.saves.append(asyncio.get_running_loop().create_future())
        return self.saves[-1]


async def _begun(tmp_path: Path) -> tuple[Any, Sessions, Session]:
    desk: Any = Desk()
    sessions = Sessions(desk, Sealing(Keys(tmp_path / "keys.json")))
    return desk, sessions, await sessions.get("session", "owner")


async def test_a_save_that_may_wait_goes_with_the_next_one(tmp_path: Path) -> None:
    desk, sessions, session = await _begun(tmp_path)
    sessions.save_soon(session)
    waiting = session.saving
    sessions.save_soon(session)
    assert not desk.saves
    sessions.save(session)
    await asyncio.sleep(0.03)
    assert desk.versions == [0]
    desk.saves[0].set_result(1)
    assert waiting is not None and await waiting == 1


async def test_a_save_that_nothing_follows_is_made_alone(tmp_path: Path) -> None:
    desk, sessions, session = await _begun(tmp_path)
    sessions.save_soon(session)
    await asyncio.sleep(0.03)
    assert desk.versions == [0]
    desk.saves[0].set_result(1)
    await session.saved()


async def test_a_save_that_waits_is_refused_with_the_one_that_it_goes_with(tmp_path: Path) -> None:
    desk, sessions, session = await _begun(tmp_path)
    sessions.save_soon(session)
    waiting = session.saving
    sessions.save(session)
    desk.saves[0].set_exception(Conflict("somebody else"))
    with pytest.raises(Conflict):
        await waiting
    with pytest.raises(Conflict):
        sessions.save(session)


async def test_a_save_that_waits_is_refused_where_an_earlier_one_was(tmp_path: Path) -> None:
    desk, sessions, session = await _begun(tmp_path)
    sessions.save(session)
    sessions.save_soon(session)
    waiting = session.saving
    desk.saves[0].set_exception(Conflict("somebody else"))
    with pytest.raises(Conflict):
        await waiting
