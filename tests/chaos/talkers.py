"""People at their devices: each has a session, asks one thing after the other, and notes what came of it."""

import asyncio
import random
import time
import wave
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from parlance import clock, ids
from parlance.client import Client
from parlance.conversation import Conversation
from parlance.errors import ParlanceError
from parlance.v1.gateway_service_pb2 import AudioEnd, ConverseRequest, Hello, Listening, Played, Text
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import ErrorCode
from tests.chaos.stack import SPOKEN

AUDIO = Path(__file__).parents[2] / "examples/audio/set-a-timer-for-ten-seconds.wav"
# After its deadline a turn may take this long to be told; spoken ones have a minute to be heard.
PATIENCE_S = 100.0
_AGAIN_S = 0.5
_REFUSED = (ErrorCode.ERROR_CODE_UNAVAILABLE, ErrorCode.ERROR_CODE_RATE_LIMITED)


@dataclass
class Asked:
    """One thing that was asked. Times are those of time.monotonic(), seconds."""

    text: str
    session: str
    sent: float
    sent_us: int
    turn_id: str = ""
    # All turns that it became: what was spoken when its gateway died is said again.
    ids: list[str] = field(default_factory=list)
    accepted: bool = False
    ended: float = 0.0
    outcome: str = ""
    problems: list[str] = field(default_factory=list)
    over: bool = False
    silenced: bool = False
    spoken: bool = False

    @property
    def seconds(self) -> float:
        return self.ended - self.sent

    @property
    def without(self) -> str:
        """Why no outcome was told: what silences a turn may come before its end, and a device may lose its gateways."""
        return "silenced" if self.silenced else "not told" if self.accepted else "not accepted"


@dataclass
class Heard:
    """What a device was sent of a turn: how often each clause was shown, and the sound of each, in milliseconds."""

    clauses: Counter[int] = field(default_factory=Counter)
    texts: dict[int, str] = field(default_factory=dict)
    ms: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    silenced: bool = False
    said: bool = False


@dataclass(eq=False)
class Talker:
    """`voiced`: it wants sound. `heard`: by turn."""

    address: str
    session: str
    voiced: bool = False
    asked: list[Asked] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=lambda: defaultdict(Heard))
    reconnected: int = 0
    # Why it had to begin its conversation anew.
    lost: list[str] = field(default_factory=list)
    _requests: "asyncio.Queue[ConverseRequest | None]" = field(default_factory=asyncio.Queue)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Holds the conversation, and begins it anew where no gateway answered for long. Until cancelled."""
        device = ids.new()
        hello = Hello(session_id=self.session, device_id=device, mute=not self.voiced, sample_rate_hz=16000, channels=1)
        hello.listening = Listening.LISTENING_UNTIL_END
        async with Client(self.address) as client:
            while True:
                made = Conversation(client, hello, self._requests)
                try:
                    async with aclosing(made.responses()) as responses:
                        await self._read(responses)
                except ParlanceError as exc:
                    self._lost(exc)
                self.reconnected += 1
                await asyncio.sleep(_AGAIN_S)

    def _lost(self, exc: ParlanceError) -> None:
        """No gateway answered for long, and the conversation is over: what was accepted has its end in the log alone,
        what was not is asked again. What waits in line from before would be asked first."""
        self.lost.append(exc.message)
        now = self.asked[-1] if self.asked else None
        if now is None or now.over:
            return
        now.problems.append(exc.message)
        while not self._requests.empty():
            self._requests.get_nowait()
        if now.accepted:
            now.over = True
            self._news.set()
        else:
            self._send(now)

    async def ready(self) -> None:
        await self._ready.wait()

    async def ask(self, text: str) -> Asked:
        """Types it; returns when it is over, or not to be waited for any longer. "": speaks SPOKEN."""
        made = Asked(text or SPOKEN, self.session, time.monotonic(), clock.now_us(), spoken=not text)
        self.asked.append(made)
        if text:
            made.turn_id = ids.new()
            made.ids.append(made.turn_id)
        self._send(made)
        await self._until(made)
        return made

    def _send(self, made: Asked) -> None:
        typed = ConverseRequest(text=Text(text=made.text, name=made.turn_id))
        for request in (typed,) if made.turn_id else sound():
            self._requests.put_nowait(request)

    async def _until(self, made: Asked) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not made.over:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            made.problems.append(f"nothing was told of its end within {PATIENCE_S:.0f} s")

    async def _read(self, responses: AsyncGenerator[Any, None]) -> None:
        async for response in responses:
            name = response.WhichOneof("message") or ""
            take: Callable[[Any], None] | None = getattr(self, f"_on_{name}", None)
            if take is not None:
                take(getattr(response, name))
            self._news.set()

    def _now(self, turn_id: str) -> Asked | None:
        """What was asked last, where this turn is its."""
        now = self.asked[-1] if self.asked else None
        return now if now is not None and turn_id in now.ids else None

    def _on_ready(self, _ready: Any) -> None:
        self._ready.set()

    def _on_accepted(self, accepted: Any) -> None:
        now = self.asked[-1] if self.asked else None
        if now is not None and not now.over:
            now.accepted, now.turn_id = True, accepted.turn_id
            if accepted.turn_id not in now.ids:
                now.ids.append(accepted.turn_id)

    def _on_clause(self, clause: Any) -> None:
        self.heard[clause.turn_id].clauses[clause.seq] += 1
        self.heard[clause.turn_id].texts[clause.seq] = clause.text

    def _on_audio(self, audio: Any) -> None:
        self.heard[audio.turn_id].ms[audio.seq] += len(audio.pcm) * 500 / audio.sample_rate_hz

    def _on_ended(self, ended: Any) -> None:
        self.heard[ended.turn_id].said = bool(ended.say)
        self._name_refused(ended)
        now = self._now(ended.turn_id)
        if now is not None and now.turn_id == ended.turn_id:
            now.ended, now.outcome = time.monotonic(), Outcome.Name(ended.outcome).removeprefix("OUTCOME_").lower()
            if ended.outcome != Outcome.OUTCOME_ANSWERED:
                now.problems.append(ended.error.message or Reason.Name(ended.reason))

    def _name_refused(self, ended: Any) -> None:
        """An utterance that was refused at the door: it was never accepted, so its id is told with its end alone."""
        now = self.asked[-1] if self.asked else None
        if now is None or now.over or now.accepted or ended.reason != Reason.REASON_OVERLOADED:
            return
        if now.spoken and ended.turn_id not in now.ids:
            now.turn_id = ended.turn_id
            now.ids.append(ended.turn_id)

    def _on_spoken(self, spoken: Any) -> None:
        self._requests.put_nowait(ConverseRequest(played=Played(turn_id=spoken.turn_id, all=True)))
        now = self._now(spoken.turn_id)
        if now is not None and now.turn_id == spoken.turn_id:
            now.over = True

    def _on_silence(self, silence: Any) -> None:
        self.heard[silence.turn_id].silenced = True
        now = self._now(silence.turn_id)
        if now is not None and now.turn_id == silence.turn_id:
            now.over = now.silenced = True

    def _on_problem(self, problem: Any) -> None:
        now = self.asked[-1] if self.asked else None
        if now is None or now.over:
            return
        now.problems.append(problem.error.message)
        if now.accepted:
            return
        if problem.error.code in _REFUSED and now.turn_id:  # nothing has come of it: a text is asked again under its id
            asyncio.get_running_loop().call_later(_AGAIN_S, self._send, now)
        else:
            now.over = True


@cache
def sound() -> tuple[ConverseRequest, ...]:
    """An utterance, as a device sends it."""
    with wave.open(str(AUDIO)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        pcm = file.readframes(file.getnframes())
    pieces = [ConverseRequest(audio=pcm[at : at + 6400]) for at in range(0, len(pcm), 6400)]
    return (*pieces, ConverseRequest(audio_end=AudioEnd()))


def questions(dice: random.Random, spoken: bool) -> Iterator[str]:
    """What one talker asks, without end; {n} is to be filled in with what is nobody else's. "": it speaks."""
    kinds = ["put item{n} on my shopping list"] * 4
    kinds += ["take a note saying thing{n}"] * 2
    kinds += ["set a timer for 3 seconds", "set a timer for 5 hours", "what is seven times twelve", "tell me a story"]
    kinds += [""] * 5 if spoken else []
    while True:
        yield dice.choice(kinds)
