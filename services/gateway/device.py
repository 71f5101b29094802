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
    Text,
)
from parlance.v1.reply_pb2 import TurnCompleted
from parlance.v1.session_pb2 import (
    INTERRUPTION_BUTTON,
    INTERRUPTION_CONTINUED,
    INTERRUPTION_SPEECH,
    INTERRUPTION_TEXT,
    DeviceAttached,
    DeviceDetached,
    Interruption,
    TurnAccepted,
    TurnInterrupted,
)
from parlance.v1.turn_pb2 import LABEL_PERSONAL, MODALITY_SPOKEN, MODALITY_TYPED, MODALITY_UNSPECIFIED, Header, Modality
from services.gateway.hearing import Hearing
from services.gateway.outbox import Outbox
from services.gateway.reply import Reply
from services.gateway.sessions import Sessions

HEAR_US = 60_000_000
ANSWER_US = 30_000_000
_TEXT_MAX = 4000
_NAME_MAX = 200
# Of one client's turns so many may wait to be durable; what else it asks is not read yet.
_UNWRITTEN_MAX = 16


class Device:
    """Raises InvalidRequest for a hello that makes no sense."""

    def __init__(self, hello: Hello, sessions: Sessions) -> None:
        _check(hello)
        parts = sessions.parts
        self._sessions, self._user = sessions, parts.user_id
        # Empty: live.
        self.run_id = hello.run
        named = hello.session_id or ids.derived("session", parts.user_id)
        self.session_id = ids.derived(hello.run, named) if hello.run else named
        self.device_id = hello.device_id or ids.new()
        self.mute = hello.mute
        # Whether it is there for what is said unasked.
        self.stays = not hello.one_turn and not hello.run
        self._time_zone = hello.time_zone or parts.time_zone
        self.outbox = Outbox()
        # Replies that sound, and headers of the turns that are open or sound here.
        self.replies: dict[str, Reply] = {}
        self.turns: dict[str, Header] = {}
        self._hearing = Hearing(hello, self, parts.carrier)
        self._input_over = False
        self._unwritten = 0
        self._written = asyncio.Event()

    @property
    def room(self) -> tuple[str, str]:
        """Who hears each other: the devices of one session, live or of one run."""
        return self.run_id, self.session_id

    async def run(self, requests: AsyncIterator[ConverseRequest]) -> None:
        """Until the client sends no more."""
        self.outbox.put(ConverseResponse(ready=Ready(session_id=self.session_id, device_id=self.device_id)))
        self._sessions.attach(self)
        self.announce()
        try:
            await self._hearing.run(self._others(requests))
        except Exception as exc:
            self.problem(failure("Gateway.Converse", exc))
        self._input_over = True
        self._close_when_done()

    def announce(self) -> None:
        """Says that somebody is there for what is said unasked."""
        if self.stays:
            self._sessions.tell(self._header(MODALITY_UNSPECIFIED, ""), DeviceAttached())

    async def _others(self, requests: AsyncIterator[ConverseRequest]) -> AsyncIterator[ConverseRequest]:
        """Handles what is not audio; passes audio on."""
        async for message in requests:
            if self.outbox.closed:
                return
            kind = message.WhichOneof("message")
            if kind == "text":
                self._typed(message.text)
                await self._few_unwritten()
            elif kind == "interrupt":
                self.interrupt(INTERRUPTION_BUTTON)
            elif kind == "played":
                if reply := self.replies.get(message.played.turn_id):
                    reply.played(message.played.ms, message.played.all)
            elif kind in ("audio", "audio_end"):
                yield message
            else:
                self.problem(InvalidRequest("hello comes once, first; then audio, text, interrupt or played"))

    async def _few_unwritten(self) -> None:
        while self._unwritten >= _UNWRITTEN_MAX:
            self._written.clear()
            await self._written.wait()

    def _typed(self, typed: Text) -> None:
        text = typed.text.strip()
        if not text or len(text) > _TEXT_MAX or len(typed.name) > _NAME_MAX:
            told = f"a question has 1 to {_TEXT_MAX} characters, and its name, if any, at most {_NAME_MAX}"
            self.problem(InvalidRequest(told))
            return
        self.interrupt(INTERRUPTION_TEXT)
        named = self.run_id and typed.name
        turn_id = ids.derived(self.run_id, self.session_id, typed.name) if named else ids.new()
        header = self._header(MODALITY_TYPED, turn_id)
        header.asked_at_us, header.deadline_us = header.accepted_at_us, header.accepted_at_us + ANSWER_US
        self._accept(header, TurnAccepted(text=text))

    def speech_began(self) -> Header:
        """Accepts a spoken turn; what was open or sounded here is interrupted."""
        continues = self._not_yet_sounding()
        cause = INTERRUPTION_CONTINUED if continues else INTERRUPTION_SPEECH
        self.interrupt(cause)
        header = self._header(MODALITY_SPOKEN, ids.new())
        header.deadline_us, header.continues = header.accepted_at_us + HEAR_US, continues
        self._accept(header, TurnAccepted())
        return header

    def _not_yet_sounding(self) -> str:
        """The spoken turn that the user may still be in the middle of: its reply has not begun to sound."""
        for turn_id, header in self.turns.items():
            reply = self.replies.get(turn_id)
            if header.modality == MODALITY_SPOKEN and (reply is None or not reply.sounded):
                return turn_id
        return ""

    def _accept(self, header: Header, body: TurnAccepted) -> None:
        """Accepted is said when the fact is durable."""
        self.turns[header.turn_id] = header

        def written(done: "asyncio.Future[Record]") -> None:
            self._unwritten -= 1
            self._written.set()
            exc = None if done.cancelled() else done.exception()
            if exc is not None:
                self.problem(as_error(exc))
                self.done(header.turn_id)
            elif not done.cancelled():
                self.outbox.put(ConverseResponse(accepted=accepted))

        accepted = Accepted(turn_id=header.turn_id, modality=header.modality, accepted_at_us=header.accepted_at_us)
        self._unwritten += 1
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
        self.replies.pop(turn_id, None)
        self.turns.pop(turn_id, None)
        self._close_when_done()

    def problem(self, error: ParlanceError) -> None:
        self.outbox.put(ConverseResponse(problem=Problem(error=error.to_proto())))

    def _close_when_done(self) -> None:
        if self._input_over and not self.turns and not self.replies:
            self.outbox.close()

    def close(self) -> None:
        """The client is gone. Its open turn goes on to its end; what it has not heard, it will not hear here."""
        self.outbox.close()
        self._sessions.detach(self)
        for reply in self.replies.values():
            reply.cut()
        if self.stays:
            self._sessions.tell(self._header(MODALITY_UNSPECIFIED, ""), DeviceDetached())


def _check(hello: Hello) -> None:
    if max(len(hello.session_id), len(hello.device_id), len(hello.run)) > _NAME_MAX:
        raise InvalidRequest(f"the name of a session, a device or a run has at most {_NAME_MAX} characters")
    if hello.time_zone and not clock.known_time_zone(hello.time_zone):
        raise InvalidRequest("a time zone is an IANA name, such as Europe/Madrid")
