"""A client's conversation that goes on where its connection breaks: with the next gateway, from where it was heard.

What was asked and not accepted is asked again under the same id; of what sounds, the rest is asked for (Hello.resume).
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from parlance import clock, ids
from parlance.client import Client
from parlance.errors import Unreachable
from parlance.said import Said
from parlance.v1.gateway_service_pb2 import ConverseRequest, ConverseResponse, Hello, Resume
from parlance.v1.reply_pb2 import Outcome, Reason

# How long no gateway may answer, and how often one is tried.
_PATIENCE_S, _AGAIN_S = 15.0, 0.3
# The clocks of a client and a gateway differ.
_EARLIER_US = 10_000_000


@dataclass(slots=True)
class _Turn:
    """The newest turn, as far as this client knows of it. `partition`: where its replies stand, of the gateway that was
    asked first; -1 while that has not said so."""

    id: str = ""
    partition: int = -1
    since_us: int = 0
    accepted_us: int = 0
    open: bool = False
    # Clauses that were shown; whole ones that sounded; milliseconds of the next one's sound.
    shown: int = 0
    ended: bool = False
    clauses: int = 0
    ms: float = 0.0

    def heard(self, seq: int, ms: float) -> None:
        if seq != self.clauses:
            self.clauses, self.ms = seq, 0.0
        self.ms += ms


class Conversation:
    """`requests`: what the client says, without hello; None ends it."""

    def __init__(self, client: Client, hello: Hello, requests: "asyncio.Queue[ConverseRequest | None]") -> None:
        self._client, self._requests = client, requests
        self._hello = Hello()
        self._hello.CopyFrom(hello)
        self._hello.resumes = True
        self._turn, self._said = _Turn(), Said(hello)
        # Of the gateway that this connection leads to, and whether it has said so. Nothing is asked before: of one that
        # accepts and dies, nobody would know where its replies stand.
        self._partition, self._greeted = -1, asyncio.Event()
        self._ready = self._over = False

    async def responses(self) -> AsyncGenerator[ConverseResponse, None]:
        """Until the conversation is over. Raises Unreachable where no gateway answers, at once when none ever did."""
        self._silent_since = 0.0
        while True:
            try:
                self._greeted = asyncio.Event()
                async with aclosing(self._client.converse(self._stream(self._greeted))) as responses:
                    async for response in responses:
                        self._silent_since = 0.0
                        if self._is_new(response):
                            yield response
            except Unreachable:
                if self._gives_up():
                    raise
            if self._over or (self._hello.one_turn and not self._turn.open):
                return
            await asyncio.sleep(_AGAIN_S)

    def _gives_up(self) -> bool:
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        return not self._ready or now - self._silent_since > _PATIENCE_S

    def _accepted(self, accepted: Any) -> None:
        self._said.accepted(accepted)
        if self._turn.id != accepted.turn_id:
            if accepted.accepted_at_us < self._turn.accepted_us:  # a newer one, which interrupted it, was told first
                return
            self._turn = _Turn(accepted.turn_id, self._partition, open=True)
        self._turn.accepted_us = accepted.accepted_at_us
        self._turn.since_us = accepted.accepted_at_us - _EARLIER_US

    async def _stream(self, greeted: asyncio.Event) -> AsyncGenerator[ConverseRequest, None]:
        turn, self._partition = self._turn, -1
        speaks, again = self._said.speaks(turn.id), self._said.again()
        hello = Hello()
        hello.CopyFrom(self._hello)
        if turn.open and turn.id and turn.partition >= 0 and not speaks:
            resume = Resume(turn_id=turn.id, partition=turn.partition, since_us=turn.since_us)
            resume.clauses, resume.ms = turn.clauses, int(turn.ms)
            hello.resume.CopyFrom(resume)
        yield ConverseRequest(hello=hello)
        await greeted.wait()
        for request in again:
            yield request
        while not self._over:
            taken = await self._requests.get()
            if taken is None:
                self._over = True
                return
            self._asks(taken)
            yield taken

    def _asks(self, request: ConverseRequest) -> None:
        """Notes what may have to be asked again."""
        kind = request.WhichOneof("message")
        if kind == "text":
            request.text.name = request.text.name or ids.new()
            since_us = clock.now_us() - _EARLIER_US
            self._turn = _Turn(request.text.name, self._partition, since_us, open=True)
            self._said.text(request)
        elif kind in ("audio", "audio_end") and self._said.sound(request):
            self._turn = _Turn(open=True)

    def _is_new(self, response: ConverseResponse) -> bool:
        """Notes how far things are. False: the client knows it already."""
        kind = response.WhichOneof("message") or ""
        if kind == "accepted":
            self._accepted(response.accepted)
        elif kind == "ended" and response.ended.reason == Reason.REASON_OVERLOADED:
            # Refused at the door: it is nowhere, and must not be asked of another gateway after its user was told so.
            self._turn.open = False
            self._said.forget()
        elif kind == "transcript":
            self._said.understood(response.transcript.turn_id)
        elif kind in ("ended", "spoken"):
            self._said.over(getattr(response, kind).turn_id)
        note = getattr(self, f"_on_{kind}", None)
        if note is None:
            return True
        message = getattr(response, kind)
        return bool(note(message)) if getattr(message, "turn_id", self._turn.id) in ("", self._turn.id) else True

    def _on_ready(self, ready: Any) -> bool:
        known, self._ready = self._ready, True
        self._partition = ready.partition
        self._greeted.set()
        if self._turn.partition < 0:
            self._turn.partition = ready.partition
        self._hello.session_id, self._hello.device_id = ready.session_id, ready.device_id
        return not known

    def _on_audio(self, audio: Any) -> bool:
        self._turn.heard(audio.seq, len(audio.pcm) * 500 / audio.sample_rate_hz)
        return True

    def _on_clause(self, clause: Any) -> bool:
        known = self._turn.shown
        self._turn.shown = max(known, clause.seq + 1)
        return bool(clause.seq >= known)

    def _on_ended(self, ended: Any) -> bool:
        known, self._turn.ended = self._turn.ended, True
        self._turn.open = self._turn.open and ended.outcome != Outcome.OUTCOME_CANCELLED
        return not known

    def _on_silence(self, silence: Any) -> bool:
        """Nothing more of it sounds, here or elsewhere."""
        self._turn.open = False
        return True

    def _on_spoken(self, spoken: Any) -> bool:
        self._turn.open = False
        return True
