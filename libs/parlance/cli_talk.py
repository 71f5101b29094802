"""`parlance say` and `parlance ask`: one turn, and with --stay what is said unasked after it."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

from parlance.cli_heard import Heard
from parlance.cli_player import Player
from parlance.cli_told import told
from parlance.client import Client
from parlance.conversation import Conversation
from parlance.errors import InvalidRequest, Mistrusted, Unavailable, Unreachable, from_proto
from parlance.v1.gateway_service_pb2 import (
    AudioEncoding,
    AudioEnd,
    ConverseRequest,
    ConverseResponse,
    GetTurnResponse,
    Hello,
    Interrupt,
    Listening,
    Played,
    Text,
    TurnSummary,
)
from parlance.v1.reply_pb2 import Outcome, Reason

_PIECE = 65536
_FILE_MAX = 256 * 1024 * 1024
_ANSWER_S = 120.0
# After our last word the platform notes what was heard and closes the stream.
_GOODBYE_S = 2.0


class Talk:
    """One conversation with a running platform. `show` gets each line that a person wants to read."""

    def __init__(self, address: str, show: Any, *, stays: bool = False, play: bool = False) -> None:
        self._address, self._show, self._stays = address, show, stays
        self._player = Player() if play else None
        self._requests: asyncio.Queue[ConverseRequest | None] = asyncio.Queue()
        self._hello = Hello()
        self.device_id = ""
        self.credentials: Any = None  # where the gateway has certificates
        self.heard = Heard()
        self.told: Any = None
        self._ready = False
        self._stay_s = 0.0

    def send_file(self, path: Path) -> None:
        """Raises InvalidRequest where the file cannot be read; what is in it is judged by the platform."""
        try:
            with path.open("rb") as file:
                data = file.read(_FILE_MAX + 1)
        except OSError as exc:
            raise InvalidRequest(f"{path} cannot be read: {exc.strerror}") from exc
        if len(data) > _FILE_MAX:
            raise InvalidRequest(f"{path} is larger than {_FILE_MAX // 2**20} MB; send a shorter one")
        hello = Hello(
            encoding=AudioEncoding.AUDIO_ENCODING_FILE,
            listening=Listening.LISTENING_UNTIL_END,
            one_turn=not self._stays,
            device_id=self.device_id,
        )
        self._hello = hello
        for start in range(0, len(data), _PIECE):
            self._put(ConverseRequest(audio=data[start : start + _PIECE]))
        self._put(ConverseRequest(audio_end=AudioEnd()))

    def send_text(self, text: str) -> None:
        self._hello = Hello(one_turn=not self._stays, device_id=self.device_id)
        self._put(ConverseRequest(text=Text(text=text)))

    async def run(self, stay_s: float) -> Heard:
        """Until the turn has ended and sounded, and for `stay_s` seconds more."""
        async with Client(self._address, self.credentials) as client:
            try:
                async with asyncio.TaskGroup() as self._group:
                    talking = self._group.create_task(self._converse(client, stay_s))
                    await self._unless_stopped(talking)
            except ExceptionGroup as group:
                error = group.exceptions[0]
                if isinstance(error, Unreachable) and not isinstance(error, Mistrusted) and not self._ready:
                    raise NotRunning(self._address) from None
                raise error from None
            finally:
                await self._quiet()
            if self.heard.turn_id and not self.told:
                self.told = await told(client, self.heard.turn_id, self.heard.ended)
        return self.heard

    async def _unless_stopped(self, talking: "asyncio.Task[None]") -> None:
        """Ctrl-C interrupts the turn too: nobody waits for its answer any more."""
        try:
            await asyncio.wait([talking])
        except asyncio.CancelledError:
            if self._player is not None:
                self._player.stop()
            self._stay_s = 0.0
            self._put(ConverseRequest(interrupt=Interrupt()))
            if not self.heard.turn_id or self.heard.over:
                self._put(None)
            await asyncio.wait([talking], timeout=_GOODBYE_S)
            raise

    async def _quiet(self) -> None:
        if self._player is not None:
            await self._player.close()
            if self._player.trouble:
                self._show("note", self._player.trouble)

    async def _converse(self, client: Client, stay_s: float) -> None:
        loop, self._stay_s = asyncio.get_running_loop(), stay_s
        try:
            async with (
                asyncio.timeout_at(loop.time() + _ANSWER_S) as self._limit,
                aclosing(Conversation(client, self._hello, self._requests).responses()) as responses,
            ):
                async for response in responses:
                    await self._on(response)
        except TimeoutError:
            if not self.heard.over:
                raise Unavailable("no answer came within two minutes") from None

    def _is_over(self) -> None:
        """The turn has ended, and nothing of it will sound any more."""
        self.heard.over = True
        self._limit.reschedule(asyncio.get_running_loop().time() + max(self._stay_s, _GOODBYE_S))
        if self._stay_s <= 0:
            self._put(None)

    def _put(self, request: ConverseRequest | None) -> None:
        self._requests.put_nowait(request)

    async def _on(self, response: ConverseResponse) -> None:
        if not self.heard.over:
            self._limit.reschedule(asyncio.get_running_loop().time() + _ANSWER_S + self.heard.sound.seconds)
        kind = response.WhichOneof("message") or ""
        handle = getattr(self, f"_on_{kind}", None)
        if handle is not None:
            await handle(getattr(response, kind))

    async def _on_ready(self, ready: Any) -> None:
        self._ready, self.device_id = True, ready.device_id

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
        for page in clause.sources:
            self.heard.sources.append(page.url)
            self._show("source", f"{page.title}  {page.url}".strip())

    async def _on_audio(self, audio: Any) -> None:
        pcm = self.heard.sound.add(audio.pcm, audio.sample_rate_hz)
        if self._player is not None:
            await self._player.feed(pcm, self.heard.sound.rate)

    async def _on_silence(self, silence: Any) -> None:
        if self._player is not None:
            self._player.cut()
        if silence.turn_id == self.heard.turn_id:
            self.heard.silenced = True
            self._cut_short()

    async def _on_ended(self, ended: Any) -> None:
        if ended.reason == Reason.REASON_OVERLOADED and not self.heard.turn_id:
            self.heard.turn_id = ended.turn_id  # never accepted: the log does not know it
            self.told = GetTurnResponse(summary=TurnSummary(outcome=ended.outcome, reason=ended.reason))
        if ended.turn_id != self.heard.turn_id:
            return
        self.heard.ended = ended
        if ended.say:
            self.heard.clauses.append(ended.say)
            self._show("parlance", ended.say)
        if ended.outcome == Outcome.OUTCOME_CANCELLED:
            self._show("note", f"cancelled: {(name_of(Reason.Name(ended.reason)) or '').replace('_', ' ')}")
        elif ended.reason == Reason.REASON_ASKED:  # by this device alone, and soon
            self._show("note", f"to answer: PARLANCE_DEVICE={self.device_id} parlance ask yes")
        elif ended.HasField("error"):
            self._show("note", f"{name_of(Outcome.Name(ended.outcome))}: {ended.error.message}")
        self._cut_short()

    def _cut_short(self) -> None:
        if self.heard.ended is not None and self.heard.silenced and not self.heard.over:
            self._is_over()

    async def _on_spoken(self, spoken: Any) -> None:
        self._group.create_task(self._sounded(spoken))

    async def _sounded(self, spoken: Any) -> None:
        if self._player is None or await self._player.finish():
            self._put(ConverseRequest(played=Played(turn_id=spoken.turn_id, ms=spoken.audio_ms, all=True)))
        if spoken.turn_id == self.heard.turn_id and not self.heard.over:
            self._is_over()

    async def _on_problem(self, problem: Any) -> None:
        """Before there is a turn: why there is none. In a turn it goes on, perhaps without a voice."""
        if not self.heard.turn_id:
            raise from_proto(problem.error)
        self._show("note", problem.error.message)

    def as_json(self) -> dict[str, Any]:
        past, heard = self.told, self.heard
        return {
            "turn_id": heard.turn_id,
            "outcome": name_of(Outcome.Name(past.summary.outcome)),
            "reason": name_of(Reason.Name(past.summary.reason)),
            "transcript": heard.transcript or past.summary.text,
            "intent": past.summary.intent,
            "reply": " ".join(heard.clauses),
            "sources": heard.sources,
            "unasked": " ".join(heard.unasked),
            "audio_seconds": round(heard.sound.seconds, 3),
            "stages": [
                {"name": step.name, "event": step.event, "provider": step.provider}
                | {"start_ms": round(step.start_us / 1000, 3), "end_ms": round(step.end_us / 1000, 3)}
                for step in past.steps
            ],
        }


class NotRunning(Unavailable):
    def __init__(self, address: str) -> None:
        super().__init__(f"nothing is running at {address}; start it with 'make run' or 'parlance run'")


def name_of(enum_name: str) -> str | None:
    """ "OUTCOME_ANSWERED" -> "answered"; UNSPECIFIED -> None."""
    word = enum_name.partition("_")[2].lower()
    return None if word == "unspecified" else word
