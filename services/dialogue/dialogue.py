"""Dialogue owns the turn: every accepted turn gets exactly one terminal event inside its deadline."""

from typing import Any

from parlance import clock
from parlance.bus import partition_of, topic_name
from parlance.errors import ParlanceError, from_code, from_proto
from parlance.events import cuts_turn, opens_turn, payload, topic_of
from parlance.outgoing import record_of
from parlance.stage import Stage
from parlance.stage_work import Item, Work
from parlance.v1.effect_pb2 import EffectEvent, TimerFired
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.session_pb2 import (
    DeviceAttached,
    DeviceDetached,
    GatewayStarted,
    ReplyHeard,
    SessionEvent,
    TurnAccepted,
    TurnInterrupted,
)
from parlance.v1.turn_pb2 import StageFailed
from services.dialogue import rows
from services.dialogue.parts import Parts
from services.dialogue.running import Running
from services.dialogue.sessions import STAGE, Session, Sessions
from services.dialogue.timers import Due, Timers
from services.dialogue.turns import Turns
from services.dialogue.unasked import Unasked, roll_calls

TOPICS = (topic_name(SessionEvent), topic_name(IntentEvent), topic_name(EffectEvent))


class Dialogue:
    """`stage` runs it over its topics."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        work = Work(self.process, self.failed, self._cuts, self._held_up, self.caught_up, self.taken_over)
        self.stage = Stage(STAGE, parts.bus, parts.sealing, work)
        self._sessions = Sessions(parts.store, parts.sealing, self._stale)
        self._timers = Timers(self.stage.inject)
        self._turns = Turns(parts, self._sessions, self._timers)
        self._running = Running(parts, self._sessions, self._turns)
        self._unasked = Unasked(self._timers, self._turns, parts.cut_in_s)
        self._on: dict[type[Any], Any] = {
            TurnAccepted: self._accepted,
            TurnInterrupted: self._interrupted,
            ReplyHeard: self._heard,
            DeviceAttached: self._attached,
            DeviceDetached: self._detached,
            GatewayStarted: self._gateway_started,
            IntentRecognized: self._recognized,
            StageFailed: self._stage_failed,
            TimerFired: self._fired,
        }

    async def process(self, item: Item) -> None:
        user = "" if isinstance(item.event, Due) else item.event.header.user_id
        session = await self._sessions.get(item.session, user, item.ownership if item.record is not None else 0)
        session.cut = item.cut
        if isinstance(item.event, Due):
            await self._due(session, item.event)
        else:
            handle = self._on.get(type(payload(item.event)))
            if handle is not None:
                await handle(session, item.event)
        item.durable = session.saving
        self._go_on(session)

    def _cuts(self, running: Item, new: Item) -> bool:
        if isinstance(new.event, Due) and new.event.cut_in:
            return self._unasked.may_cut(new.session, new.event.turn_id, _turn_of(running))
        return cuts(running, new)

    def _stale(self, session: Session) -> None:
        """What this process remembers of a turn counts only within the ownership in which it learned it (1a.19)."""
        for turn in session.row.open:
            self._turns.handlings.pop(turn.header.turn_id, None)

    def _held_up(self, item: Item) -> None:
        if not isinstance(item.event, Due) and isinstance(payload(item.event), TimerFired):
            self._unasked.held_up(item.session, item.event.header.turn_id)

    async def failed(self, item: Item, error: ParlanceError) -> None:
        """The stage has given an event up: its turn ends, whatever it was."""
        turn_id = item.event.turn_id if isinstance(item.event, Due) else item.event.header.turn_id
        user = "" if isinstance(item.event, Due) else item.event.header.user_id
        session = await self._sessions.get(item.session, user)
        turn = rows.find_open(session.row, turn_id)
        if turn is not None:
            await self._turns.end(session, turn, Outcome.OUTCOME_FAILED, Reason.REASON_ERROR, error)

    async def caught_up(self) -> None:
        """Re-arms every deadline, after the backlog has been handed over, and asks who is there."""
        await self.taken_over()
        self._timers.arm()

    async def taken_over(self) -> None:
        """The same for sessions that were another process's until now: it had their deadlines, and knew whose devices
        were there."""
        for session_id in await self._sessions.due():
            if ownership := self._ownership(session_id):
                session = await self._sessions.get(session_id, "", ownership)
                self._unasked.rearm(session)
                for turn in session.row.open:
                    self._timers.at(session_id, turn.header.turn_id, turn.header.deadline_us)
                self.stage.inject(Item(session_id, Due("none"), sealed=False))
        self._unasked.attached.clear()
        self._parts.bus.append([record_of(event, self._parts.sealing.seal) for event in roll_calls()])

    def _ownership(self, session_id: str) -> int:
        topic = topic_of(SessionEvent)
        return self.stage.ownership(topic.name, partition_of(session_id.encode(), topic.partitions))

    async def _accepted(self, session: Session, event: Any) -> None:
        turn = await self._turns.open(session, event.header)
        if turn is not None:
            turn.user_text = turn.user_text or event.accepted.text
            self._sessions.save_soon(session)

    async def _interrupted(self, session: Session, event: Any) -> None:
        turn = await self._turns.open(session, event.header)
        if turn is not None:
            await self._turns.end(session, turn, Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED)

    async def _heard(self, session: Session, event: Any) -> None:
        heard = event.heard.heard
        # A turn that is not known to have ended: the save tells whether another owner has ended it.
        if rows.note_heard(session.row, heard) or not rows.is_ended(session.row, heard.turn_id):
            self._sessions.save_soon(session)

    async def _attached(self, session: Session, event: Any) -> None:
        self._unasked.attach(event.header)

    async def _detached(self, session: Session, event: Any) -> None:
        self._unasked.detach(event.header)

    async def _gateway_started(self, session: Session, event: Any) -> None:
        self._unasked.detach_all(event.header)

    async def _stage_failed(self, session: Session, event: Any) -> None:
        turn = await self._turns.open(session, event.header)
        if turn is not None:
            error = from_proto(payload(event).error)
            await self._turns.end(session, turn, Outcome.OUTCOME_FAILED, Reason.REASON_ERROR, error)

    async def _recognized(self, session: Session, event: Any) -> None:
        turn = await self._turns.open(session, event.header)
        if turn is None:
            return
        turn.user_text = event.recognized.text
        if event.recognized.no_speech:
            await self._turns.end(session, turn, Outcome.OUTCOME_CANCELLED, Reason.REASON_NOTHING_HEARD)
        elif self._unasked.must_wait(session, turn):
            self._unasked.wait(session, event)
            self._sessions.save(session)
        elif refusal := self._parts.policy(event.header, event.recognized):
            error = from_code(refusal.code, refusal.message)
            await self._turns.end(session, turn, Outcome.OUTCOME_REFUSED, Reason.REASON_POLICY, error)
        else:
            await self._running.handle(session, turn, event)

    async def _fired(self, session: Session, event: Any) -> None:
        turn_id = event.header.turn_id
        if rows.is_ended(session.row, turn_id):
            return
        self._unasked.take(session, event)
        self._sessions.save(session)
        begun = rows.find_open(session.row, turn_id)
        event.header.reply_partition = (
            begun.header.reply_partition if begun is not None else self._unasked.address(event.header)
        )
        cuts_in = self._unasked.ready(session, turn_id)
        turn = await self._turns.open(session, event.header) if cuts_in is not None else None
        if turn is not None:
            self._unasked.begins(turn_id)
            await self._running.handle(session, turn, event, bool(cuts_in))
            self._unasked.over(turn_id)

    async def _due(self, session: Session, due: Due) -> None:
        if due.cut_in:
            await self._unasked.cut_in(session, due.turn_id)
            return
        turn = rows.find_open(session.row, due.turn_id)
        if turn is None:
            await self._unasked.overdue(session, due.turn_id)
        elif clock.now_us() >= turn.header.deadline_us:
            await self._turns.end(session, turn, Outcome.OUTCOME_FAILED, Reason.REASON_DEADLINE)
        else:
            self._timers.at(session.id, due.turn_id, turn.header.deadline_us)

    def _go_on(self, session: Session) -> None:
        """What waited and may begin now comes back as an item of its own, so that it can be cut like any other."""
        if session.row.waiting and (event := self._unasked.next(session)) is not None:
            self.stage.inject(Item(session.id, event, sealed=False))


def cuts(running: Item, new: Item) -> bool:
    """Whether `new` must not wait for `running`: an interruption or a deadline of its turn, or a newer turn of the
    same device."""
    if isinstance(new.event, Due):
        return _turn_of(running) == new.event.turn_id
    if isinstance(running.event, Due):
        return False
    body, mine, theirs = payload(new.event), new.event.header, running.event.header
    if cuts_turn(body):
        return bool(theirs.turn_id == mine.turn_id)
    if isinstance(body, TimerFired) or not opens_turn(body) or not _begins(running):
        return False
    same_device = theirs.turn_id != mine.turn_id and theirs.device_id == mine.device_id
    return bool(same_device and theirs.accepted_at_us < mine.accepted_at_us)


def _turn_of(item: Item) -> str:
    return str(item.event.turn_id if isinstance(item.event, Due) else item.event.header.turn_id)


def _begins(item: Item) -> bool:
    return isinstance(payload(item.event), (IntentRecognized, TimerFired))
