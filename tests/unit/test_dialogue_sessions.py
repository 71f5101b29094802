"""A session's row: it keeps neither the memory of all turns that it has seen, nor what another owner has changed."""

from pathlib import Path

import pytest

from parlance.bus_journal import JournalBus
from parlance.privacy import Keys, Sealing
from parlance.store import Conflict
from parlance.store_sqlite import SqliteStore
from parlance.v1.state_pb2 import EndedTurn, SessionRow
from parlance.v1.turn_pb2 import Header
from services.dialogue.rows import add_open
from services.dialogue.sessions import Session, Sessions


def _worn() -> Session:
    return Session("session", "owner", 1000, SessionRow(ended=[EndedTurn(turn_id="turn-1")]))


def test_a_worn_row_is_made_anew_with_the_same_content() -> None:
    session = _worn()
    before, content = session.row, session.row.SerializeToString(deterministic=True)
    session.renew()
    assert session.row is not before
    assert session.row.SerializeToString(deterministic=True) == content


def test_a_row_is_not_made_anew_again_and_again() -> None:
    session = _worn()
    session.renew()
    made = session.row
    session.renew()
    assert session.row is made


def test_a_row_with_an_open_turn_stays_for_its_handler_holds_a_part_of_it() -> None:
    session = _worn()
    turn = session.row.open.add()
    session.renew()
    turn.user_text = "still the same turn"
    assert session.row.open[0].user_text == "still the same turn"


async def test_a_row_cached_under_an_ownership_from_before_is_loaded_anew(tmp_path: Path) -> None:
    bus, sealing = JournalBus(tmp_path / "journal.db"), Sealing(Keys(tmp_path / "keys.json"))
    store = SqliteStore(bus)
    await bus.start()
    stale: list[str] = []
    here, there = Sessions(store, sealing, lambda session: stale.append(session.id)), Sessions(store, sealing)
    try:
        mine = await here.get("s", "owner", 1)
        add_open(mine.row, Header(turn_id="t1"))
        await here.save(mine)
        theirs = await there.get("s", "owner", 1)
        add_open(theirs.row, Header(turn_id="t2"))
        await there.save(theirs)
        assert [t.header.turn_id for t in (await here.get("s", "owner", 1)).row.open] == ["t1"]
        again = await here.get("s", "owner", 2)
        assert [t.header.turn_id for t in again.row.open] == ["t1", "t2"] and stale == ["s"]
        assert await here.get("s", "owner", 2) is again and await here.get("s", "owner") is again
        with pytest.raises(Conflict):
            await there.save(theirs)
    finally:
        await bus.stop()
