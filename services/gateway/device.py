"""One client's conversation: what it sends becomes turns; what it must hear goes into its outbox."""

import asyncio
from collections.abc import AsyncIterator

from parlance import clock, ids
from parlance.bus import Record
from parlance.errors import InvalidRequest, ParlanceError, as_error
from parlance.rpc import failure
from parlance.v1.gateway_service_pb2 import (
    Accepted,
    ConverseRequest,
    ConverseResponse,
    Ended,
    Hello,
    Problem,
    Ready,
    Resume,
    Text,
)
from parlance.v1.reply_pb2 import TurnCompleted
from parlance.v1.session_pb2 import DeviceAttached, DeviceDetached, Interruption, TurnAccepted, TurnInterrupted
from parlance.v1.turn_pb2 import LABEL_PERSONAL, MODALITY_SPOKEN, MODALITY_TYPED, MODALITY_UNSPECIFIED, Header, Modality
from services.gateway.acceptances import Acceptances
from services.gateway.door import Entrance
from services.gateway.hearing import Hearing
from services.gateway.hello import check, turn_id_of, wrong_in
from services.gateway.outbox import Outbox
from services.gateway.reply import Reply, not_yet_sounding
from services.gateway.sessions import Sessions

HEAR_US = 60_000_000
ANSWER_US = 30_000_000


class Device:
    """Raises InvalidRequest for a hello that makes no sense."""

    def __init__(self, hello: Hello, sessions: Sessions) -> None:
        check(hello)
        parts = sessions.parts
        self._sessions, self._user = sessions, parts.user_id
        # Empty: live.
        self.run_id = hello.run
        named = hello.session_id or ids.derived("session", parts.user_id)
        self.session_id = ids.derived(hello.run, named) if hello.run else named
        self.device_id = hello.device_id or ids.new()
        self._person, self.mute = hello.person, hello.mute
        # Whether it is there for what is said unasked.
        self.stays = not hello.one_turn and not hello.run
        # Whether a client that breaks off comes back, and whether it has broken off.
        self.resumes, self.gone = hello.resumes, False
        self._resume = hello.resume
        self._draining = False
        self._time_zone = hello.time_zone or parts.time_zone
        self.outbox = Outbox()
        # Replies that sound, and headers of the turns that are open or sound here.
        self.replies: dict[str, Reply] = {}
        self.turns: dict[str, Header] = {}
        self._hearing = Hearing(hello, self, parts.carrier)
        self.entrance = Entrance(sessions.door, self.outbox, hello)
        self._input_over = False
        self.acceptances = Acceptances(self.outbox)

    @property
    def room(self) -> tuple[str, str]:
        """Who hears each other: the devices of one session, live or of one run."""
        return self.run_id, self.session_id

    async def run(self, requests: AsyncIterator[ConverseRequest]) -> None:
        """Until the client sends no more."""
        ready = Ready(session_id=self.session_id, device_id=self.device_id, partition=self._sessions.parts.slot)
        self.outbox.put(ConverseResponse(ready=ready))
        self._sessions.attach(self)
        if self._resume.turn_id:
            self._go_on(self._resume)
        self.announce()
        try:
            await self._hearing.run(self._others(requests))
        except Exception as exc:
            self.problem(failure("Gateway.Converse", exc))
        self._input_over = True
        self._close_when_done()

    def announce(self) -> None:
        """Says that somebody is there for what is said unasked."""
        if self.stays or self._resume.turn_id:
            header = self._header(MODALITY_UNSPECIFIED, "")
            self._sessions.tell(header, DeviceAttached(resumes=self._resume.turn_id))

    def _go_on(self, resume: Resume) -> None:
        """With the turn that was open or sounding when the conversation broke off elsewhere."""
        header = self._header(MODALITY_TYPED, resume.turn_id)
        header.accepted_at_us, header.reply_partition = resume.since_us, resume.partition
        if self._sessions.resume(self, header, resume):
            self.turns[resume.turn_id] = header

    def drain(self) -> None:
        """This gateway is to end: the client goes on with another one, once nothing is open or sounds."""
        self._draining = True
        self._close_when_done()

    async def _others(self, requests: AsyncIterator[ConverseRequest]) -> AsyncIterator[ConverseRequest]:
        """Handles what is not audio; passes audio on."""
        async for message in requests:
            if self.outbox.closed:
                return
            kind = message.WhichOneof("message")
            if kind == "text":
                self._typed(message.text)
                await self.acceptances.few()
            elif kind == "interrupt":
                self.interrupt(Interruption.INTERRUPTION_BUTTON)
            elif kind == "played":
                if reply := self.replies.get(message.played.turn_id):
                    reply.played(message.played.ms, message.played.all)
            elif kind in ("audio", "audio_end"):
                yield message
            else:
                self.problem(InvalidRequest("hello comes once, first; then audio, text, interrupt or played"))

    def _typed(self, typed: Text) -> None:
        text = typed.text.strip()
        if wrong := wrong_in(typed, text, self.run_id):
            return self.problem(InvalidRequest(wrong))
        turn_id = turn_id_of(self.run_id, self.session_id, typed.name)
        if self._sessions.is_over(turn_id):  # by a client that came back too late
            return self.outbox.silence(turn_id)
        if (again := self.turns.get(turn_id)) is None:
            self.interrupt(Interruption.INTERRUPTION_TEXT)
            if not typed.again and not self.entrance.takes(turn_id, new=self._sessions.last_heard(self.room) is None):
                return
        header = self._header(MODALITY_TYPED, turn_id)
        if again is not None:  # both acceptances name one place, whichever dialogue sees first
            header.reply_partition = again.reply_partition
        self.entrance.asked(turn_id)
        header.as_of_us = typed.as_of_us
        header.asked_at_us, header.deadline_us = header.accepted_at_us, header.accepted_at_us + ANSWER_US
        self._accept(header, TurnAccepted(text=text))

    def speech_began(self) -> Header:
        """Accepts a spoken turn, or refuses it; what was open or sounded here is interrupted."""
        continues = not_yet_sounding(self.turns, self.replies)
        self.interrupt(Interruption.INTERRUPTION_CONTINUED if continues else Interruption.INTERRUPTION_SPEECH)
        turn_id = ids.new()
        if not continues and not self.entrance.takes(turn_id, new=self._sessions.last_heard(self.room) is None):
            return Header()
        header = self._header(MODALITY_SPOKEN, turn_id)
        header.deadline_us, header.continues = header.accepted_at_us + HEAR_US, continues
        self._accept(header, TurnAccepted())
        return header

    def _accept(self, header: Header, body: TurnAccepted) -> None:
        self.turns[header.turn_id] = header

        def written(done: "asyncio.Future[Record]") -> None:
            exc = asyncio.CancelledError() if done.cancelled() else done.exception()
            if exc is None:
                return self.acceptances.written(header.turn_id)
            waits = header.turn_id in self.acceptances  # else its reply came, so that the log has the turn
            self.acceptances.failed(header.turn_id)
            if waits and not done.cancelled():
                self.problem(as_error(exc))
                self.done(header.turn_id)

        accepted = Accepted(turn_id=header.turn_id, modality=header.modality, accepted_at_us=header.accepted_at_us)
        self.acceptances.add(accepted)
        self._sessions.accept(header, body).add_done_callback(written)

    def _header(self, modality: Modality.ValueType, turn_id: str) -> Header:
        made = Header(
            run=self.run_id,
            turn_id=turn_id,
            session_id=self.session_id,
            user_id=self._user,
            device_id=self.device_id,
            accepted_at_us=clock.now_us(),
            reply_partition=self._sessions.parts.slot,
            label=LABEL_PERSONAL,
            time_zone=self._time_zone,
            modality=modality,
            person=self._person,
        )
        if heard := self._sessions.last_heard(self.room):
            made.heard.CopyFrom(heard)
        return made

    def interrupt(self, cause: Interruption.ValueType) -> None:
        """Silences this device at once and says so to dialogue. A turn that has ended only stops sounding."""
        for turn_id, header in list(self.turns.items()):
            reply = self.replies.get(turn_id)
            self._silence(turn_id, reply)
            if reply is None or reply.completed is None:
                self._sessions.tell(header, TurnInterrupted(cause=cause))
            self._sessions.heard(header, reply)
        self.turns.clear()
        self.hush()

    def hush(self, except_turn: str = "") -> None:
        """Stops what sounds, also what nobody asked for; its Reply reports what was heard."""
        for turn_id, reply in list(self.replies.items()):
            if turn_id != except_turn:
                self._silence(turn_id, reply)
        self.entrance.hush()

    def _silence(self, turn_id: str, reply: Reply | None) -> None:
        """Once a turn: a cut reply may still wait for its voice."""
        if reply is not None and reply.is_cut:
            return
        if reply is not None:
            reply.cut()
        self.outbox.silence(turn_id)

    def ended_silently(self, turn_id: str, completed: TurnCompleted) -> None:
        """The end of a turn that was interrupted here: told, not spoken."""
        ended = Ended(turn_id=turn_id, outcome=completed.outcome, reason=completed.reason)
        self.outbox.put(ConverseResponse(ended=ended))

    def done(self, turn_id: str) -> None:
        """The turn has sounded, or will not."""
        self.entrance.gone(turn_id)
        self.replies.pop(turn_id, None)
        self.turns.pop(turn_id, None)
        self._close_when_done()

    def problem(self, error: ParlanceError) -> None:
        self.outbox.put(ConverseResponse(problem=Problem(error=error.to_proto())))

    def _close_when_done(self) -> None:
        if (self._input_over or self._draining) and not self.turns and not self.replies:
            self.outbox.close()

    def close(self) -> None:
        """The client is gone. Its open turn goes on to its end; what it has not heard, it will not hear here."""
        self.gone = True
        self.outbox.close()
        self._sessions.detach(self)
        for reply in self.replies.values():
            reply.cut()
        if self.stays:
            self._sessions.tell(self._header(MODALITY_UNSPECIFIED, ""), DeviceDetached())
