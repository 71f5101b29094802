"""What must wait: a turn of another device, and what is said unasked (a timer) while something is open or sounds."""

from typing import Any

from parlance import clock, ids
from parlance.bus import topic_name
from parlance.events import to_bytes, topic_of
from parlance.v1.effect_pb2 import EffectEvent
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyEvent, RollCall
from parlance.v1.state_pb2 import OpenTurn
from parlance.v1.turn_pb2 import Header
from services.dialogue import rows
from services.dialogue.sessions import Session
from services.dialogue.timers import Due, Timers
from services.dialogue.turns import Turns


def roll_calls() -> list[ReplyEvent]:
    """To every gateway: who is there? What an earlier life of dialogue was told is gone with it."""
    slots = range(topic_of(ReplyEvent).partitions)
    return [ReplyEvent(header=Header(event_id=ids.new(), reply_partition=n), roll_call=RollCall()) for n in slots]


class Unasked:
    """What waits stays in the row until its turn has ended, so that a restart finds it."""

    def __init__(self, timers: Timers, turns: Turns, cut_in_s: float) -> None:
        self._timers, self._turns, self._cut_in_s = timers, turns, cut_in_s
        # Devices that are there now, as their gateways say: a row would outlive a gateway that dies with its devices.
        # Session -> device -> (partition of its gateway, when it came); the newest is last.
        self.attached: dict[str, dict[str, tuple[int, int]]] = {}
        # Turns that have waited long enough: they silence what sounds.
        self._cutting_in: set[str] = set()
        # Turns that wait in the lane, behind a handler that runs.
        self._held_up: set[str] = set()

    def attach(self, header: Header) -> None:
        devices = self.attached.setdefault(header.session_id, {})
        devices.pop(header.device_id, None)
        devices[header.device_id] = (header.reply_partition, header.accepted_at_us)

    def detach(self, header: Header) -> None:
        """A device that has gone on with another gateway stays: its old one tells it late."""
        devices = self.attached.get(header.session_id, {})
        if devices.get(header.device_id, (-1, 0))[0] == header.reply_partition:
            del devices[header.device_id]
        if not devices:
            self.attached.pop(header.session_id, None)

    def detach_all(self, gateway: Header) -> None:
        """A gateway began anew: of its earlier life's devices nobody is there. Those of its new life may be known
        already, for sessions do not wait for each other."""
        for session, devices in list(self.attached.items()):
            left = {
                device: (partition, came)
                for device, (partition, came) in devices.items()
                if partition != gateway.reply_partition or came > gateway.accepted_at_us
            }
            if left:
                self.attached[session] = left
            else:
                del self.attached[session]

    def address(self, header: Header) -> int:
        """The partition at whose gateway it is heard: where it was set, or wherever somebody is."""
        devices = self.attached.get(header.session_id, {})
        if header.device_id in devices:
            return devices[header.device_id][0]
        return next(reversed(devices.values()), (header.reply_partition, 0))[0]

    def held_up(self, session_id: str, turn_id: str) -> None:
        """A timer went off while a handler runs: it waits no longer for that than for what sounds."""
        self._held_up.add(turn_id)
        self._due_to_cut_in(session_id, turn_id)

    def _due_to_cut_in(self, session_id: str, turn_id: str) -> None:
        due = Due(turn_id, cut_in=True)
        if not self._timers.waits(due):
            self._timers.after(session_id, due, self._cut_in_s)

    def may_cut(self, session_id: str, turn_id: str, running: str) -> bool:
        """Whether it may end the turn `running`: somebody must be there to hear it, and it must not have begun."""
        return bool(self.attached.get(session_id)) and turn_id != running

    def must_wait(self, session: Session, turn: OpenTurn) -> bool:
        """Whether an earlier turn of another device is open."""
        return any(
            other is not turn and other.header.accepted_at_us < turn.header.accepted_at_us for other in session.row.open
        )

    def wait(self, session: Session, event: Any) -> None:
        if not any(w.header.event_id == event.header.event_id for w in rows.waiting(session.row)):
            session.row.waiting.append(topic_name(type(event)).encode() + b"\0" + to_bytes(event))

    def take(self, session: Session, event: Any) -> None:
        """A timer went off: its turn waits in the row until `next` gives it."""
        self._held_up.discard(event.header.turn_id)
        self.wait(session, event)
        self._timers.at(session.id, event.header.turn_id, event.header.deadline_us)

    def next(self, session: Session) -> Any | None:
        """The event of a waiting turn that may begin now."""
        for event in rows.waiting(session.row):
            if isinstance(event, EffectEvent):
                ready = self.ready(session, event.header.turn_id) is not None
            else:
                turn = rows.find_open(session.row, event.header.turn_id)
                ready = turn is None or not self.must_wait(session, turn)
            if ready:
                return event
        return None

    def ready(self, session: Session, turn_id: str) -> bool | None:
        """Whether what nobody asked for cuts in; None: it must wait. What has begun goes on."""
        if rows.find_open(session.row, turn_id) is not None:
            return turn_id in self._cutting_in
        if not self.attached.get(session.id):
            return None
        if not session.row.open and not rows.sounds(session.row):
            return False
        if turn_id in self._cutting_in:
            return None if session.row.open else True
        self._due_to_cut_in(session.id, turn_id)
        return None

    async def cut_in(self, session: Session, turn_id: str) -> None:
        """It has waited long enough: ends what is open."""
        waits = turn_id in self._held_up or any(w.header.turn_id == turn_id for w in rows.waiting(session.row))
        begun = rows.find_open(session.row, turn_id) is not None
        if waits and not begun and self.attached.get(session.id):
            self._cutting_in.add(turn_id)
            for turn in list(session.row.open):
                await self._turns.end(session, turn, Outcome.OUTCOME_CANCELLED, Reason.REASON_CUT_IN)

    def begins(self, turn_id: str) -> None:
        """It needs to wait no longer."""
        self._timers.call_off(Due(turn_id, cut_in=True))

    def over(self, turn_id: str) -> None:
        """The turn has ended."""
        self._cutting_in.discard(turn_id)

    async def overdue(self, session: Session, turn_id: str) -> None:
        """Nobody came until the deadline of what was to be said."""
        for event in rows.waiting(session.row):
            if event.header.turn_id == turn_id and clock.now_us() >= event.header.deadline_us:
                turn = await self._turns.open(session, event.header)
                if turn is not None:
                    await self._turns.end(session, turn, Outcome.OUTCOME_FAILED, Reason.REASON_NOBODY_THERE)
                return

    def rearm(self, session: Session) -> None:
        for event in rows.waiting(session.row):
            self._timers.at(session.id, event.header.turn_id, event.header.deadline_us)
