"""A session's row does not keep the memory of all the turns that it has seen."""

from parlance.v1.state_pb2 import EndedTurn, SessionRow
from services.dialogue.sessions import Session


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
