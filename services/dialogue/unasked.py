"""What must wait: a turn of another device, and what is said unasked (a timer) while something is open or sounds."""

from typing import Any

from parlance import clock
from parlance.bus import topic_name
from parlance.events import parse, to_bytes
from parlance.v1.effect_pb2 import EffectEvent
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.state_pb2 import OpenTurn
from services.dialogue import rows
from services.dialogue.sessions import Session
from services.dialogue.timers import Due, Timers
from services.dialogue.turns import Turns


class Unasked:
    def __init__(self, timers: Timers, turns: Turns, cut_in_s: float) -> None:
        self._timers, self._turns, self._cut_in_s = timers, turns, cut_in_s
        # Devices that are there now. They go when the process goes, so no row holds them.
        self.attached: dict[str, set[str]] = {}

    def must_wait(self, session: Session, turn: OpenTurn) -> bool:
        """Whether an earlier turn of another device is open."""
        return any(
            other is not turn and other.header.accepted_at_us < turn.header.accepted_at_us for other in session.row.open
        )

    def wait(self, session: Session, event: Any) -> None:
        session.row.waiting.append(topic_name(type(event)).encode() + b"\0" + to_bytes(event))

    def take(self, session: Session, event: Any) -> bool:
        """A timer went off: its turn waits in the row until `next` gives it. False: it is known already."""
        turn_id = event.header.turn_id
        known = rows.is_ended(session.row, turn_id) or rows.find_open(session.row, turn_id) is not None
        if known or any(w.header.turn_id == turn_id for w in self._waiting(session)):
            return False
        self.wait(session, event)
        self._timers.at(session.id, turn_id, event.header.deadline_us)
        return True

    def next(self, session: Session) -> tuple[Any, bool] | None:
        """(event, cuts in) of a waiting turn that may begin now."""
        for i, event in enumerate(self._waiting(session)):
            if isinstance(event, EffectEvent):
                ready = self._may_speak(session, event.header.turn_id)
            else:
                turn = rows.find_open(session.row, event.header.turn_id)
                ready = turn is None or not self.must_wait(session, turn)
            if ready:
                del session.row.waiting[i]
                return event, False
        return None

    async def cut_in(self, session: Session, turn_id: str) -> Any | None:
        """Ends what is open and gives the event that has waited long enough."""
        for i, event in enumerate(self._waiting(session)):
            if event.header.turn_id == turn_id and self.attached.get(session.id):
                del session.row.waiting[i]
                for turn in list(session.row.open):
                    await self._turns.end(session, turn, Outcome.OUTCOME_CANCELLED, Reason.REASON_CUT_IN)
                return event
        return None

    async def overdue(self, session: Session, turn_id: str) -> None:
        """Nobody came until the deadline of what was to be said."""
        for i, event in enumerate(self._waiting(session)):
            if event.header.turn_id == turn_id and clock.now_us() >= event.header.deadline_us:
                del session.row.waiting[i]
                turn = await self._turns.open(session, event.header)
                if turn is not None:
                    await self._turns.end(session, turn, Outcome.OUTCOME_FAILED, Reason.REASON_NOBODY_THERE)
                return

    def rearm(self, session: Session) -> None:
        for event in self._waiting(session):
            self._timers.at(session.id, event.header.turn_id, event.header.deadline_us)

    def _may_speak(self, session: Session, turn_id: str) -> bool:
        if not self.attached.get(session.id):
            return False
        if not session.row.open and not rows.sounds(session.row):
            return True
        due = Due(turn_id, cut_in=True)
        if not self._timers.waits(due):
            self._timers.after(session.id, due, self._cut_in_s)
        return False

    @staticmethod
    def _waiting(session: Session) -> list[Any]:
        made = []
        for item in session.row.waiting:
            topic, _, value = item.partition(b"\0")
            made.append(parse(topic.decode(), value))
        return made
