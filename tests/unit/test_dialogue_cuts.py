"""Which event must not wait behind which: dialogue's rule of what cuts a running handler."""

from typing import Any

import pytest

from parlance.events import wrap
from parlance.stage_work import Item
from parlance.v1.effect_pb2 import EffectEvent, TimerFired
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent, TurnAccepted, TurnInterrupted
from parlance.v1.turn_pb2 import Header
from services.dialogue.dialogue import cuts
from services.dialogue.timers import Due

CLASSES: dict[type[Any], type[Any]] = {IntentRecognized: IntentEvent, TimerFired: EffectEvent}


def item(body: Any, turn: str = "t1", device: str = "d1", at: int = 1) -> Item:
    header = Header(turn_id=turn, session_id="s", device_id=device, accepted_at_us=at)
    return Item("s", wrap(CLASSES.get(type(body), SessionEvent), header, body))


def due(turn: str = "t1") -> Item:
    return Item("s", Due(turn), sealed=False)


RUNNING = item(IntentRecognized())


@pytest.mark.parametrize(
    "new",
    [
        item(TurnInterrupted()),
        due(),
        item(TurnAccepted(), turn="t2", at=2),
        item(IntentRecognized(), turn="t2", at=2),
    ],
    ids=["its interruption", "its deadline", "a newer turn of its device", "what a newer turn means"],
)
def test_a_running_handler_is_cut_by(new: Item) -> None:
    assert cuts(RUNNING, new)


@pytest.mark.parametrize(
    "new",
    [
        item(TurnInterrupted(), turn="t2"),
        due("t2"),
        item(TurnAccepted(), turn="t2", device="d2", at=2),
        item(TurnAccepted(), turn="t0", at=0),
        item(TurnAccepted()),
        item(ReplyHeard(), turn="t0"),
        item(TimerFired(), turn="t2", at=2),
    ],
    ids=[
        "the interruption of another turn",
        "the deadline of another turn",
        "a newer turn of another device",
        "an older turn of its device",
        "its own beginning",
        "what was heard of an earlier turn",
        "a timer that goes off",
    ],
)
def test_a_running_handler_is_not_cut_by(new: Item) -> None:
    assert not cuts(RUNNING, new)


def test_what_only_notes_a_fact_is_not_cut_by_a_newer_turn() -> None:
    assert not cuts(item(TurnAccepted()), item(TurnAccepted(), turn="t2", at=2))
