"""The life of a turn in its session's row: opened by whichever event comes first, ended once."""

import asyncio

from parlance import clock, metrics
from parlance.errors import ParlanceError
from parlance.outgoing import record_of
from parlance.v1.reply_pb2 import Outcome, Reason, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn
from parlance.v1.turn_pb2 import Header
from services.dialogue import rows
from services.dialogue.ending import cancel_asks, settle
from services.dialogue.handling import Handling
from services.dialogue.parts import Parts
from services.dialogue.sessions import Session, Sessions
from services.dialogue.terminal import Why, from_handler, from_outside, state_event, terminal_event
from services.dialogue.timers import Timers

# How turns end here.
_ENDS = (
    (Outcome.OUTCOME_ANSWERED, Reason.REASON_UNSPECIFIED),
    (Outcome.OUTCOME_ANSWERED, Reason.REASON_ASKED),
    (Outcome.OUTCOME_FAILED, Reason.REASON_ERROR),
    (Outcome.OUTCOME_FAILED, Reason.REASON_DEADLINE),
    (Outcome.OUTCOME_FAILED, Reason.REASON_ANSWER_LOST),
    (Outcome.OUTCOME_FAILED, Reason.REASON_NOBODY_THERE),
    (Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED),
    (Outcome.OUTCOME_CANCELLED, Reason.REASON_NOTHING_HEARD),
    (Outcome.OUTCOME_CANCELLED, Reason.REASON_SUPERSEDED),
    (Outcome.OUTCOME_CANCELLED, Reason.REASON_CUT_IN),
    (Outcome.OUTCOME_REFUSED, Reason.REASON_POLICY),
)


class Turns:
    def __init__(self, parts: Parts, sessions: Sessions, timers: Timers) -> None:
        self._parts, self._sessions, self._timers = parts, sessions, timers
        self.handlings: dict[str, Handling] = {}
        metrics.gauge("parlance_open_turns", "Turns whose handlers run.", lambda: len(self.handlings))
        metrics.ends(_codes(outcome, reason) for outcome, reason in _ENDS)

    async def open(self, session: Session, header: Header) -> OpenTurn | None:
        """The turn of this event, opened where this is its first; None where it has ended."""
        row = session.row
        turn = rows.find_open(row, header.turn_id)
        if turn is None:
            if rows.is_ended(row, header.turn_id):
                return None
            turn = await self._open_new(session, header)
            if turn is None:
                return None
        rows.took(turn, header)
        self._timers.at(session.id, header.turn_id, turn.header.deadline_us)
        return turn

    async def _open_new(self, session: Session, header: Header) -> OpenTurn | None:
        """One turn of a device is open: a newer one ends it, an older one seen later ends at once."""
        row = session.row
        rivals = [t for t in row.open if t.header.device_id == header.device_id]
        if header.HasField("heard"):
            rows.note_heard(row, header.heard)
        newer = any(t.header.accepted_at_us > header.accepted_at_us for t in rivals)
        turn = rows.add_open(row, header)
        rows.took(turn, header)
        if newer:
            await self.end(session, turn, Outcome.OUTCOME_CANCELLED, Reason.REASON_SUPERSEDED)
            return None
        for rival in rivals:
            if found := rows.find_open(row, rival.header.turn_id):
                await self.end(session, found, Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED)
        return rows.find_open(row, header.turn_id)

    async def end(
        self,
        session: Session,
        turn: OpenTurn,
        outcome: Outcome.ValueType,
        reason: Reason.ValueType,
        error: ParlanceError | None = None,
    ) -> None:
        """Ends a turn from outside its handler: settles its acts, cancels its asks, publishes no clause."""
        why: Why = (outcome, reason, error)
        handling = self.handlings.pop(turn.header.turn_id, None)
        again = handling.again if handling is not None else bool(turn.speaking)
        calls, on_record = await asyncio.gather(
            settle(self._parts.carrier, turn, handling), cancel_asks(self._parts.carrier, turn, handling)
        )
        self._finish(session, turn, from_outside(turn, handling, why, calls, again or not on_record), handling)

    def close(self, session: Session, turn: OpenTurn, completed: TurnCompleted) -> None:
        """The handler's own end."""
        handling = self.handlings.pop(turn.header.turn_id, None)
        self._finish(session, turn, from_handler(turn, handling, completed), handling)

    def _finish(self, session: Session, turn: OpenTurn, completed: TurnCompleted, handling: Handling | None) -> None:
        event, seal = terminal_event(turn, completed), self._parts.sealing.seal
        state = [record_of(state_event(turn), seal)] if turn.snapshot_id else []
        began = handling.began_us if handling is not None else clock.now_us()
        clauses = handling.clauses if handling is not None else []
        self._timers.drop(turn.header.turn_id)
        rows.end(session.row, turn, clauses, completed, clock.now_us())
        self._sessions.save(session, [*state, record_of(event, seal, began)])
        metrics.ended(*_codes(completed.outcome, completed.reason))


def _codes(outcome: Outcome.ValueType, reason: Reason.ValueType) -> tuple[str, str]:
    return _code(Outcome.Name(outcome)), _code(Reason.Name(reason))


def _code(name: str) -> str:
    """OUTCOME_ANSWERED: "answered"; the unspecified one: ""."""
    code = name.partition("_")[2].lower()
    return "" if code == "unspecified" else code
