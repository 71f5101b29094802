"""Dialogue's row of a session: what is open, what has ended, what the conversation remembers."""

from parlance.events import to_bytes, wrap
from parlance.v1.effect_pb2 import EffectEvent, TimerFired
from parlance.v1.reply_pb2 import Inputs, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn, SessionRow
from parlance.v1.turn_pb2 import Header, Heard
from services.dialogue import rows


def _opened(row: SessionRow, turn_id: str = "t1") -> OpenTurn:
    turn = rows.add_open(row, Header(turn_id=turn_id, event_id=f"{turn_id}-accepted", deadline_us=60))
    turn.user_text = "what is new"
    return turn


def _ended(clauses: list[str], completed: TurnCompleted | None = None) -> SessionRow:
    row = SessionRow()
    rows.end(row, _opened(row), clauses, completed or TurnCompleted(), 7)
    return row


def _remembered(row: SessionRow) -> list[str]:
    return [exchange.reply_text for exchange in row.conversation]


def test_an_ended_turn_is_remembered_whole_until_it_is_known_what_was_heard() -> None:
    row = _ended(["One.", "Two."], TurnCompleted(say="That took too long."))
    assert _remembered(row) == ["One. Two. That took too long."]
    assert rows.is_ended(row, "t1") and rows.sounds(row) and not row.open


def test_the_conversation_remembers_whole_clauses_and_of_the_next_one_the_words_that_sounded() -> None:
    row = _ended(["One.", "Two is longer.", "Three."])
    assert rows.apply_heard(row, Heard(turn_id="t1", clauses=1, chars=7))
    assert _remembered(row) == ["One. Two is"]
    assert not rows.sounds(row)


def test_what_was_heard_is_told_once() -> None:
    row = _ended(["One.", "Two."])
    rows.apply_heard(row, Heard(turn_id="t1", clauses=1))
    assert not rows.apply_heard(row, Heard(turn_id="t1", clauses=2))
    assert _remembered(row) == ["One."]


def test_what_was_heard_of_a_turn_that_is_open_changes_nothing() -> None:
    row = SessionRow()
    _opened(row)
    assert not rows.apply_heard(row, Heard(turn_id="t1", clauses=1))


def test_what_was_heard_of_a_turn_that_is_open_holds_from_its_end_on() -> None:
    row = SessionRow()
    _opened(row)
    assert rows.note_heard(row, Heard(turn_id="t1", clauses=1))
    assert not rows.note_heard(row, Heard(turn_id="t1", clauses=2))
    row = SessionRow.FromString(row.SerializeToString())
    rows.end(row, row.open[0], ["One.", "Two."], TurnCompleted(), 7)
    assert _remembered(row) == ["One."]
    assert not rows.sounds(row) and not row.heard


def test_what_was_heard_of_a_turn_that_has_ended_is_not_kept() -> None:
    row = _ended(["One.", "Two."])
    assert rows.note_heard(row, Heard(turn_id="t1", clauses=1))
    assert not rows.note_heard(row, Heard(turn_id="t1", clauses=1))
    assert _remembered(row) == ["One."] and not row.heard


def test_the_end_of_a_turn_that_said_nothing_clears_what_was_heard_of_it_and_of_no_other() -> None:
    row = SessionRow()
    for turn_id in ("t1", "t2"):
        rows.note_heard(row, Heard(turn_id=turn_id, clauses=1))
    rows.end(row, _opened(row), [], TurnCompleted(), 7)
    assert [heard.turn_id for heard in row.heard] == ["t2"]


def test_what_was_heard_of_turns_that_never_end_does_not_pile_up() -> None:
    row = SessionRow()
    for n in range(30):
        rows.note_heard(row, Heard(turn_id=f"t{n}"))
    assert [heard.turn_id for heard in row.heard] == [f"t{n}" for n in range(22, 30)]


def test_where_it_is_not_known_how_far_a_turn_spoke_its_last_sentence_is_not_remembered_as_heard() -> None:
    row = _ended([], TurnCompleted(say="I lost the rest of that answer.", inputs=Inputs(unknown=True)))
    assert rows.sounds(row)
    assert rows.apply_heard(row, Heard(turn_id="t1", clauses=1))
    assert _remembered(row) == [""]


def test_from_the_end_of_speech_on_the_time_to_answer_holds() -> None:
    row = SessionRow()
    turn = _opened(row)
    rows.took(turn, Header(turn_id="t1", event_id="intent", asked_at_us=10, deadline_us=40))
    rows.took(turn, Header(turn_id="t1", event_id="late", asked_at_us=20, deadline_us=50))
    assert (turn.header.asked_at_us, turn.header.deadline_us) == (10, 40)


def test_an_event_that_comes_twice_is_one_input() -> None:
    row = SessionRow()
    turn = _opened(row)
    for _ in range(2):
        rows.took(turn, Header(turn_id="t1", event_id="intent"))
    assert list(turn.event_ids) == ["intent"]


def test_what_waits_goes_with_the_end_of_its_turn_and_not_before() -> None:
    row = SessionRow()
    for turn_id in ("t1", "t2"):
        event = wrap(EffectEvent, Header(turn_id=turn_id), TimerFired())
        row.waiting.append(b"effect.v1\0" + to_bytes(event))
    turn = _opened(row)
    assert len(rows.waiting(row)) == 2
    rows.end(row, turn, ["Your timer is done."], TurnCompleted(), 7)
    assert [event.header.turn_id for event in rows.waiting(row)] == ["t2"]


def test_only_the_newest_exchanges_are_kept() -> None:
    row = SessionRow()
    for n in range(30):
        rows.end(row, _opened(row, f"t{n}"), [f"Answer {n}."], TurnCompleted(), n)
    assert _remembered(row) == [f"Answer {n}." for n in range(22, 30)]
    assert rows.is_ended(row, "t29") and not rows.is_ended(row, "t5")
