"""The question that a session waits to have answered (1a.12): pure functions over its row.

It is answered by the user and the device that were asked, within 30 s of its having been heard whole, once."""

from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.reply_pb2 import TurnCompleted
from parlance.v1.state_pb2 import EndedTurn, OpenTurn, SessionRow
from parlance.v1.turn_pb2 import Heard
from services.dialogue.meant import Said, meant

_VALID_US = 30_000_000
# Where nobody has told that it was heard: as long as it may take to be said and answered.
_SAID_US = 60_000_000


def asked(row: SessionRow, turn: OpenTurn, completed: TurnCompleted) -> None:
    """A turn has ended: with a question, or having used one."""
    if completed.HasField("question"):
        row.question.Clear()
        row.question.question.CopyFrom(completed.question)
        row.question.user_id = turn.header.user_id
        row.question.device_id = turn.header.device_id
        row.question.turn_id = turn.header.turn_id
    elif row.question.used_by == turn.header.turn_id:
        row.ClearField("question")


def heard(row: SessionRow, ended: EndedTurn, of_it: Heard) -> None:
    """So much of a turn's reply was heard. `ended` still has its clauses."""
    if row.question.turn_id == ended.turn_id and of_it.clauses >= len(ended.clauses):
        row.question.heard_at_us = of_it.heard_at_us


def take(row: SessionRow, turn: OpenTurn, event: object) -> bool:
    """Whether the turn, which begins with `event`, answers the open question: then its snapshot has it, and nobody else
    may use it. What is no answer voids it."""
    if not isinstance(event, IntentRecognized) or not row.HasField("question") or row.question.used_by:
        return False
    said = meant(event, row.question.question.speaks_as)
    if said is None:
        row.ClearField("question")
        return False
    header, waits = turn.header, row.question
    if (header.user_id, header.device_id) != (waits.user_id, waits.device_id):
        return False
    if header.accepted_at_us > _valid_until(row):
        row.ClearField("question")
        return False
    early = header.accepted_at_us < waits.heard_at_us or not waits.heard_at_us
    turn.snapshot.question.CopyFrom(waits.question)
    turn.snapshot.ask_again = early and said in (Said.YES, Said.ALWAYS)
    waits.used_by = header.turn_id
    return True


def _valid_until(row: SessionRow) -> int:
    if row.question.heard_at_us:
        return row.question.heard_at_us + _VALID_US
    ended = (t.ended_at_us for t in row.ended if t.turn_id == row.question.turn_id)
    return next(ended, 0) + _SAID_US
