"""`parlance say` and `parlance ask`: one turn, and with --stay what is said unasked after it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parlance.cli_sound import Sound
from parlance.client import Client
from parlance.errors import InvalidRequest, Unavailable, as_error, from_proto
from parlance.v1.gateway_service_pb2 import (
    AudioEncoding,
    AudioEnd,
    ConverseRequest,
    ConverseResponse,
    GetTurnRequest,
    Hello,
    Listening,
    Played,
    Text,
)
from parlance.v1.reply_pb2 import Outcome, Reason

_PIECE = 65536
_ANSWER_S = 120.0
# After our last word the platform notes what was heard and closes the stream.
_GOODBYE_S = 2.0


@dataclass(slots=True)
class Heard:
    """What came back in one turn, and of what was said unasked after it."""

    turn_id: str = ""
    transcript: str = ""
    clauses: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    ended: Any = None
    spoken: bool = False
    sound: Sound = field(default_factory=Sound)


class Talk:
    """One conversation with a running platform. `show` gets each line that a person wants to read."""

    def __init__(self, address: str, show: Any, *, stays: bool = False, play: bool = False) -> None:
        self._address, self._show, self._stays, self._play = address, show, stays, play
        self._requests: asyncio.Queue[ConverseRequest | None] = asyncio.Queue()
        self.heard = Heard()
        self._ready = False

    def send_file(self, path: Path) -> None:
        """Raises InvalidRequest where the file cannot be read; what is in it is judged by the platform."""
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise InvalidRequest(f"{path} cannot be read: {exc.strerror}") from exc
        hello = Hello(
            encoding=AudioEncoding.AUDIO_ENCODING_FILE,
            listening=Listening.LISTENING_UNTIL_END,
            one_turn=not self._stays,
        )
        self._put(ConverseRequest(hello=hello))
        for start in range(0, len(data), _PIECE):
            self._put(ConverseRequest(audio=data[start : start + _PIECE]))
        self._put(ConverseRequest(audio_end=AudioEnd()))

    def send_text(self, text: str) -> None:
        self._put(ConverseRequest(hello=Hello(one_turn=not self._stays)))
        self._put(ConverseRequest(text=Text(text=text)))

    async def run(self, stay_s: float) -> Heard:
        """Until the turn has ended and sounded, and for `stay_s` seconds more."""
        async with Client(self._address) as client:
            try:
                async with aclosing(client.converse(self._stream())) as responses:
                    await self._until_done(responses, stay_s)
            except Unavailable as exc:
                raise exc if self._ready else NotRunning(self._address) from exc
            if self.heard.turn_id:
                told = await client.ask("GetTurn", GetTurnRequest(turn_id=self.heard.turn_id))
                return self._with(told)
        return self.heard

    async def _until_done(self, responses: AsyncGenerator[ConverseResponse, None], stay_s: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _ANSWER_S
        try:
            async with asyncio.timeout_at(end) as limit:
                async for response in responses:
                    spoken = self.heard.spoken
                    await self._on(response)
                    if self.heard.spoken and not spoken:
                        limit.reschedule(loop.time() + max(stay_s, _GOODBYE_S))
                        if stay_s <= 0:
                            self._put(None)
        except TimeoutError:
            if not self.heard.spoken:
                raise Unavailable("no answer came within two minutes") from None

    def _put(self, request: ConverseRequest | None) -> None:
        self._requests.put_nowait(request)

    async def _stream(self) -> AsyncGenerator[ConverseRequest, None]:
        while (request := await self._requests.get()) is not None:
            yield request

    async def _on(self, response: ConverseResponse) -> None:
        kind = response.WhichOneof("message") or ""
        handle = getattr(self, f"_on_{kind}", None)
        if handle is not None:
            await handle(getattr(response, kind))

    async def _on_ready(self, ready: Any) -> None:
        self._ready = True

    async def _on_accepted(self, accepted: Any) -> None:
        self.heard.turn_id, self.heard.transcript = accepted.turn_id, ""

    async def _on_transcript(self, transcript: Any) -> None:
        self.heard.transcript = transcript.text
        if transcript.text:
            self._show("you", transcript.text)

    async def _on_clause(self, clause: Any) -> None:
        asked = clause.turn_id == self.heard.turn_id
        (self.heard.clauses if asked else self.heard.unasked).append(clause.text)
        self._show("parlance" if asked else "unasked", clause.text)

    async def _on_audio(self, audio: Any) -> None:
        self.heard.sound.add(audio.pcm, audio.sample_rate_hz)

    async def _on_silence(self, silence: Any) -> None:
        self.heard.sound.silence()

    async def _on_ended(self, ended: Any) -> None:
        if ended.turn_id == self.heard.turn_id:
            self.heard.ended = ended
            if ended.say:
                self.heard.clauses.append(ended.say)
                self._show("parlance", ended.say)
            if ended.outcome == Outcome.OUTCOME_CANCELLED:
                self._show("note", f"cancelled: {Reason.Name(ended.reason).removeprefix('REASON_').lower()}")

    async def _on_spoken(self, spoken: Any) -> None:
        if self._play:
            await self.heard.sound.play()
        self._put(ConverseRequest(played=Played(turn_id=spoken.turn_id, ms=spoken.audio_ms, all=True)))
        if spoken.turn_id == self.heard.turn_id:
            self.heard.spoken = True

    async def _on_problem(self, problem: Any) -> None:
        raise from_proto(problem.error)

    def _with(self, told: Any) -> Heard:
        self.told = told
        return self.heard

    def as_json(self) -> dict[str, Any]:
        told, heard = self.told, self.heard
        return {
            "turn_id": heard.turn_id,
            "outcome": name_of(Outcome.Name(told.summary.outcome)),
            "reason": name_of(Reason.Name(told.summary.reason)),
            "transcript": heard.transcript or told.summary.text,
            "intent": told.summary.intent,
            "reply": " ".join(heard.clauses),
            "unasked": " ".join(heard.unasked),
            "audio_seconds": round(heard.sound.seconds, 3),
            "stages": [
                {
                    "name": step.name,
                    "event": step.event,
                    "provider": step.provider,
                    "start_ms": round(step.start_us / 1000, 3),
                    "end_ms": round(step.end_us / 1000, 3),
                }
                for step in told.steps
            ],
        }


class NotRunning(Unavailable):
    def __init__(self, address: str) -> None:
        super().__init__(f"nothing is running at {address}; start it with 'make run' or 'parlance run'")


def name_of(enum_name: str) -> str | None:
    """ "OUTCOME_ANSWERED" -> "answered"; UNSPECIFIED -> None."""
    word = enum_name.partition("_")[2].lower()
    return None if word == "unspecified" else word


def error_of(exc: BaseException) -> str:
    return as_error(exc).message
