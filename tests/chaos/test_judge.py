"""The judge of the chaos runs goes red where a log or a row breaks the contract."""

from collections.abc import Callable

import pytest

from parlance import ids
from parlance.errors import Internal
from parlance.events import to_bytes, wrap
from parlance.v1.dead_pb2 import DeadLetter
from parlance.v1.effect_pb2 import EffectEvent, EffectRecorded, TimerFired
from parlance.v1.reply_pb2 import Outcome, ReplyClause, ReplyEvent, SettledCall, Settlement, TurnCompleted
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import Header
from tests.chaos.evidence import Call, Evidence
from tests.chaos.judge import judge, letters_are_explained, what_was_told_is_true
from tests.chaos.poison import Poison
from tests.chaos.talkers import Asked, Talker

DONE, REFUSED = Settlement.SETTLEMENT_DONE, Settlement.SETTLEMENT_REFUSED
TURN, CALL = "turn-one", "call-one"


def _header(event_id: str) -> Header:
    return Header(event_id=event_id, turn_id=TURN, session_id="s", user_id="owner")


def _accepted(text: str = "put item1 on my shopping list") -> SessionEvent:
    return wrap(SessionEvent, _header("accepted"), TurnAccepted(text=text))  # type: ignore[no-any-return]


def _clause(seq: int = 0, event_id: str = "") -> ReplyEvent:
    body = ReplyClause(seq=seq, text="I put it there.")
    return wrap(ReplyEvent, _header(event_id or f"clause-{seq}"), body)  # type: ignore[no-any-return]


def _effect(settlement: Settlement.ValueType = DONE, call_id: str = CALL, event_id: str = "") -> EffectEvent:
    body = EffectRecorded(call_id=call_id, action="list.add", settlement=settlement)
    return wrap(EffectEvent, _header(event_id or f"effect-{call_id}"), body)  # type: ignore[no-any-return]


def _end(settlement: Settlement.ValueType | None = DONE, event_id: str = "end") -> ReplyEvent:
    made = TurnCompleted(outcome=Outcome.OUTCOME_ANSWERED)
    if settlement is not None:
        made.calls.append(SettledCall(call_id=CALL, action="list.add", settlement=settlement))
    return wrap(ReplyEvent, _header(event_id), made)  # type: ignore[no-any-return]


def _whole() -> Evidence:
    """A turn that did what it says, its row and its item."""
    made = Evidence()
    made.add("session.v1", _accepted())
    made.add("reply.v1", _clause())
    made.add("effect.v1", _effect())
    made.add("reply.v1", _end())
    made.calls[CALL] = Call(CALL, "list.add", DONE)
    made.items["item1"] = 1
    return made


def _without(evidence: Evidence, name: str) -> Evidence:
    facts = evidence.turns[TURN].facts
    facts[:] = [f for f in facts if f.event.WhichOneof("event") != name]
    return evidence


def test_a_whole_turn_is_right_also_where_everything_was_published_twice() -> None:
    evidence = _whole()
    assert judge(evidence) == []
    for event in (_clause(), _end()):
        evidence.add("reply.v1", event)
    evidence.add("effect.v1", _effect())
    assert judge(evidence) == []


def _lost_end(e: Evidence) -> None:
    _without(e, "completed")


def _second_end(e: Evidence) -> None:
    e.add("reply.v1", _end(event_id="another end"))


def _two_minded_end(e: Evidence) -> None:
    e.add("reply.v1", _end(settlement=None))


def _doubled_item(e: Evidence) -> None:
    e.items["item1"] = 2


def _lost_item(e: Evidence) -> None:
    del e.items["item1"]


def _lost_event(e: Evidence) -> None:
    _without(e, "effect")


def _lost_row(e: Evidence) -> None:
    e.calls.clear()


def _second_act(e: Evidence) -> None:
    e.add("effect.v1", _effect(call_id="call-two"))


def _lying_end(e: Evidence) -> None:
    _without(e, "completed").add("reply.v1", _end(REFUSED))


def _silent_end(e: Evidence) -> None:
    _without(e, "completed").add("reply.v1", _end(settlement=None))


def _undone_act(e: Evidence) -> None:
    e.calls.clear()
    e.items.clear()
    _without(_without(e, "effect"), "completed").add("reply.v1", _end(settlement=None))


def _repeated_clause(e: Evidence) -> None:
    _without(e, "completed").add("reply.v1", _clause(0, "the same again under another id"))
    e.add("reply.v1", _end())


def _lost_clause(e: Evidence) -> None:
    _without(e, "completed").add("reply.v1", _clause(2))
    e.add("reply.v1", _end())


def _left_open(e: Evidence) -> None:
    e.open_turns.append(TURN)


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (_lost_end, "0 ends"),
        (_second_end, "2 ends"),
        (_two_minded_end, "says two things"),
        (_doubled_item, "item1 was done 1 times and is there 2 times"),
        (_lost_item, "item1 was done 1 times and is there 0 times"),
        (_lost_event, "on effect.v1"),
        (_lost_row, "has no row"),
        (_second_act, "2 calls acted"),
        (_lying_end, "says refused of what is done"),
        (_silent_end, "that the end does not tell"),
        (_undone_act, "what was asked for was not done"),
        (_repeated_clause, "lost or repeated: [0, 0]"),
        (_lost_clause, "lost or repeated: [0, 2]"),
        (_left_open, "still open"),
    ],
)
def test_what_breaks_the_contract_is_found(breaks: Callable[[Evidence], None], told: str) -> None:
    evidence = _whole()
    breaks(evidence)
    assert any(told in problem for problem in judge(evidence)), judge(evidence)


@pytest.mark.parametrize(
    ("pending", "fired", "right"), [(1, 0, True), (0, 1, True), (0, 0, False), (1, 1, False), (0, 2, False)]
)
def test_a_timer_is_pending_or_went_off_once(pending: int, fired: int, right: bool) -> None:
    evidence = Evidence()
    timer = ids.derived(CALL, "timer", 0)
    evidence.calls[CALL] = Call(CALL, "timer.set", DONE)
    body = EffectRecorded(call_id=CALL, action="timer.set", settlement=DONE)
    evidence.add("effect.v1", wrap(EffectEvent, Header(event_id="e", turn_id=""), body))
    evidence.timers[timer] = pending
    for n in range(fired):
        evidence.add("effect.v1", wrap(EffectEvent, Header(event_id=f"fired-{n}"), TimerFired(timer_id=timer)))
    assert bool([p for p in judge(evidence) if "timer" in p]) is not right


def test_a_device_that_was_told_otherwise_is_found() -> None:
    talker = Talker("", "s", voiced=True)
    asked = Asked(
        "put item1 on my shopping list", "s", 0.0, 0, TURN, [TURN], accepted=True, outcome="answered", over=True
    )
    talker.asked.append(asked)
    assert list(what_was_told_is_true(_whole(), [talker])) == []
    asked.outcome = "failed"
    assert "was told failed, and it is answered" in next(what_was_told_is_true(_whole(), [talker]))
    asked.outcome, asked.turn_id = "answered", "lost"
    assert "accepted and is not in the log" in next(what_was_told_is_true(_whole(), [talker]))


def test_a_conversation_that_was_lost_is_found() -> None:
    assert "was lost: no gateway" in next(what_was_told_is_true(_whole(), [Talker("", "s", lost=["no gateway"])]))


def test_what_is_shown_or_sounds_twice_is_found() -> None:
    talker = Talker("", "s", voiced=True)
    heard = talker.heard[TURN]
    heard.clauses[0], heard.texts[0], heard.ms[0] = 1, "x" * 100, 400.0
    assert list(what_was_told_is_true(_whole(), [talker])) == []
    heard.ms[0] = 700.0
    assert "sounded 700 ms instead of 400" in next(what_was_told_is_true(_whole(), [talker]))
    heard.ms[0], heard.clauses[0] = 400.0, 2
    assert "shown twice" in next(what_was_told_is_true(_whole(), [talker]))


def test_each_dead_letter_is_of_poison_and_no_poison_is_missing() -> None:
    poison = Poison("session.v1", 0, b"no event", ("intent",))
    letter = DeadLetter(
        stage="intent", topic="session.v1", value=b"no event", attempts=1, error=Internal("why").to_proto()
    )
    evidence = Evidence(letters={"intent/0": letter})
    assert list(letters_are_explained(evidence, [poison])) == []
    assert "no dead letter of intent" in next(letters_are_explained(Evidence(), [poison]))
    letter.value = to_bytes(_accepted())
    assert "should not fail: why" in next(letters_are_explained(evidence, [poison]))
