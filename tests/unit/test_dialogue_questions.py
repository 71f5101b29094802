"""A question to a user is answered by nobody else, in time, once (1a.12)."""

import pytest

from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.reply_pb2 import Question, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn, SessionRow
from parlance.v1.turn_pb2 import Header, Heard
from services.dialogue import questions, rows
from services.dialogue.meant import Said, meant

ASKED = "May I ask ChatGPT? You can say yes, no, always or never."
QUESTION = Question(vendor="openai", speaks_as="ChatGPT", text="why is the sky blue", asked_in="t1")
S = 1_000_000
YES = IntentRecognized(intent="affirm", text="yes")


def header(turn: str, at_s: float = 0, user: str = "u", device: str = "d") -> Header:
    return Header(turn_id=turn, user_id=user, device_id=device, accepted_at_us=int(at_s * S))


def asked(heard_at_s: float | None = 10, clauses: int = 1) -> SessionRow:
    """A session whose first turn ended with a question at 5 s."""
    row = SessionRow()
    rows.end(row, rows.add_open(row, header("t1")), [ASKED], TurnCompleted(question=QUESTION), 5 * S)
    if heard_at_s is not None:
        rows.note_heard(row, Heard(turn_id="t1", clauses=clauses, chars=7, heard_at_us=int(heard_at_s * S)))
    return row


def begun(row: SessionRow, head: Header, event: object = YES) -> OpenTurn:
    turn = rows.add_open(row, head)
    questions.take(row, turn, event)
    return turn


def test_a_yes_after_it_was_heard_answers_it() -> None:
    turn = begun(asked(), header("t2", 39.9))
    assert turn.snapshot.question == QUESTION and not turn.snapshot.ask_again


def test_it_is_answered_once() -> None:
    row = asked()
    first, second = begun(row, header("t2", 11)), begun(row, header("t3", 12))
    assert first.snapshot.HasField("question") and not second.snapshot.HasField("question")
    rows.end(row, first, ["It scatters."], TurnCompleted(), 13 * S)
    assert not row.HasField("question")
    assert not begun(row, header("t4", 14)).snapshot.HasField("question")


@pytest.mark.parametrize(("user", "device"), [("u", "other"), ("other", "d")])
def test_nobody_elses_yes_answers_it_and_the_right_one_still_does(user: str, device: str) -> None:
    row = asked()
    assert not begun(row, header("t2", 11, user, device)).snapshot.HasField("question")
    assert begun(row, header("t3", 12)).snapshot.HasField("question")


@pytest.mark.parametrize(("heard_at_s", "at_s"), [(10, 40.1), (None, 65.1)])
def test_a_yes_that_comes_too_late_answers_nothing(heard_at_s: float | None, at_s: float) -> None:
    row = asked(heard_at_s)
    assert not begun(row, header("t2", at_s)).snapshot.HasField("question")
    assert not row.HasField("question")


@pytest.mark.parametrize(("heard_at_s", "clauses", "at_s"), [(10, 0, 10.1), (10, 1, 9.9), (None, 1, 6)])
def test_a_yes_before_its_end_asks_again(heard_at_s: float | None, clauses: int, at_s: float) -> None:
    for text in ("yes", "always"):
        turn = begun(asked(heard_at_s, clauses), header("t2", at_s), IntentRecognized(intent="affirm", text=text))
        assert turn.snapshot.question == QUESTION and turn.snapshot.ask_again


@pytest.mark.parametrize("text", ["no", "never"])
def test_a_no_needs_not_wait_for_its_end(text: str) -> None:
    turn = begun(asked(None), header("t2", 6), IntentRecognized(intent="deny", text=text))
    assert turn.snapshot.question == QUESTION and not turn.snapshot.ask_again


def test_anything_else_voids_it_but_what_nobody_said() -> None:
    row = asked()
    begun(row, header("t2", 11), TimerFired(label="egg"))
    assert row.HasField("question")
    begun(row, header("t3", 11), IntentRecognized(intent="time.now", text="what time is it"))
    assert not begun(row, header("t4", 12)).snapshot.HasField("question")


def test_what_was_heard_before_its_turn_had_ended_here_counts() -> None:
    row = SessionRow()
    turn = rows.add_open(row, header("t1"))
    rows.note_heard(row, Heard(turn_id="t1", clauses=1, heard_at_us=10 * S))
    rows.end(row, turn, [ASKED], TurnCompleted(question=QUESTION), 11 * S)
    assert not begun(row, header("t2", 12)).snapshot.ask_again


def test_a_newer_question_takes_the_place_of_the_older_one() -> None:
    row = asked()
    turn = begun(row, header("t2", 11))
    other = Question(vendor="google", speaks_as="Gemini", asked_in="t1", consents=["openai"])
    rows.end(row, turn, ["May I ask Gemini?"], TurnCompleted(question=other), 12 * S)
    assert (row.question.question, row.question.turn_id, row.question.used_by) == (other, "t2", "")


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        (
            Said.YES,
            ["Yes.", "yes please", "go ahead", "just this once", "Yes, but only this time.", "ask ChatGPT", "sure"],
        ),
        (Said.YES, ["no problem", "OK, do it", "you may ask it", "ask the partner's model"]),
        (Said.NO, ["No.", "no thanks", "don't", "Don't ask ChatGPT, please", "not now", "I'd rather not"]),
        (
            Said.ALWAYS,
            ["Always", "yes, always", "You can always ask ChatGPT.", "sure, from now on", "every time please"],
        ),
        (Said.NEVER, ["Never!", "no, never", "never ever", "never ask ChatGPT again", "don't you ever ask them"]),
        (None, ["never mind", "Always look on the bright side", "what time is it", "don't always ask", "please", ""]),
        (None, ["ask ChatGPT what time it is", "yes, what is the time", "no one knows", "never " * 20]),
    ],
)
def test_what_is_said_is_read_from_the_whole_of_it(said: Said | None, texts: list[str]) -> None:
    for text in texts:
        assert meant(IntentRecognized(intent="chat", text=text), "ChatGPT") is said, text


def test_what_intent_says_counts_where_the_words_say_nothing() -> None:
    assert meant(IntentRecognized(intent="affirm", text="that would be lovely"), "ChatGPT") is Said.YES
    assert meant(IntentRecognized(intent="deny", text="that won't be necessary"), "ChatGPT") is Said.NO
    assert meant(IntentRecognized(intent="affirm", text="never"), "ChatGPT") is Said.NEVER
