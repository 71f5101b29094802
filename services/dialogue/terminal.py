"""A turn's end, composed: pure, so that running the turn again composes the same bytes."""

from collections.abc import Sequence
from typing import Any

from parlance import ids
from parlance.errors import ParlanceError
from parlance.events import wrap
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyEvent, SettledCall, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn, SessionSnapshot, StateEvent
from parlance.v1.turn_pb2 import Header
from services.dialogue.brand import unnamed
from services.dialogue.handling import Handling, inputs_of
from services.dialogue.wording import closing

Why = tuple[Outcome.ValueType, Reason.ValueType, ParlanceError | None]


def from_handler(turn: OpenTurn, handling: Handling | None, completed: TurnCompleted) -> TurnCompleted:
    """The handler's own end, with what the handler did."""
    settled = handling.settled if handling is not None else {}
    completed.calls.extend(
        SettledCall(call_id=a.call_id, action=a.action, settlement=settled.get(a.call_id, a.settlement))
        for a in turn.acts
    )
    completed.inputs.CopyFrom(inputs_of(turn, handling, unknown=False))
    return completed


def from_outside(
    turn: OpenTurn, handling: Handling | None, why: Why, calls: Sequence[SettledCall], unknown: bool
) -> TurnCompleted:
    """The end by a deadline, an interruption or a failure: says what is true of the acts."""
    outcome, reason, error = why
    made = TurnCompleted(outcome=outcome, reason=reason, calls=calls)
    if error is not None:
        made.error.CopyFrom(error.to_proto())
        if turn.snapshot.persona.own_brand:
            made.error.message = unnamed(error.message)
    made.say = closing(outcome, reason, made.error if error is not None else None, calls)
    made.inputs.CopyFrom(inputs_of(turn, handling, unknown))
    return made


def terminal_event(turn: OpenTurn, completed: TurnCompleted) -> Any:
    """Its id derives from run and turn alone, so whoever comes second is a duplicate."""
    header = Header()
    header.CopyFrom(turn.header)
    header.causation_id = turn.event_ids[-1] if turn.event_ids else ""
    header.event_id = ids.terminal_id(header.run, header.turn_id)
    return wrap(ReplyEvent, header, completed)


def snapshot_id(turn: OpenTurn, cause: str) -> str:
    """The id of the snapshot of a turn whose handler begins with the event `cause`."""
    return ids.event_id(turn.header.run, cause, SessionSnapshot.DESCRIPTOR.name)


def state_event(turn: OpenTurn) -> StateEvent:
    """What the turn's handler began with. Until the turn ends its row has it; nobody else asks for it before."""
    event: StateEvent = wrap(StateEvent, turn.header, turn.snapshot)
    event.header.event_id = turn.snapshot_id
    causes = (e for e in reversed(turn.event_ids) if snapshot_id(turn, e) == turn.snapshot_id)  # mostly the newest
    event.header.causation_id = next(causes, "")
    return event


def failure_of(handling: Handling, error: ParlanceError) -> Why:
    """Why a handler that raised ends its turn: an answer that was being spoken and is gone, or the error itself."""
    lost = handling.again and not handling.yielded and bool(handling.ask.asked)
    reason = Reason.REASON_ANSWER_LOST if lost else Reason.REASON_ERROR
    return Outcome.OUTCOME_FAILED, reason, error
