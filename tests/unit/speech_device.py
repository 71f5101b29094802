"""What stands around speech in its tests: a gateway that accepts turns, and a voice detector that hears loudness."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parlance import clock, ids
from parlance.rpc import Call
from parlance.v1.gateway_service_pb2 import AudioEnd, Listening
from parlance.v1.speech_pb2 import SpeechEvent
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, HearStart
from parlance.v1.turn_pb2 import Header
from services.speech.provider import Recogniser, Routed
from services.speech.providers.scripted import Line, Scripted
from services.speech.service import SpeechService
from services.speech.utterance import FRAME_SAMPLES

AUTOMATIC, UNTIL_END = Listening.LISTENING_AUTOMATIC, Listening.LISTENING_UNTIL_END
Pcm = NDArray[np.int16]


class LoudnessVoice:
    """Voiced is what is louder than silence. Stands for the model where its judgement is not what is tested."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)

    def push(self, pcm: Pcm) -> list[float]:
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = pcm[whole:]
        return [float(np.abs(frame).max() > 1000) for frame in pcm[:whole].reshape(-1, FRAME_SAMPLES)]


def voice(seconds: float) -> Pcm:
    return np.full(int(seconds * 16000), 8000, np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(int(seconds * 16000), np.int16)


class Log(list[SpeechEvent]):
    """What was published. `watch` is called after each fact."""

    watch: Callable[[], None] = staticmethod(lambda: None)

    def append(self, event: SpeechEvent) -> None:
        super().append(event)
        self.watch()


@dataclass
class Device:
    """A gateway with one stream. `header` makes the header of the n-th turn; None: this turn is never accepted."""

    service: SpeechService
    log: Log
    listening: Listening.ValueType = AUTOMATIC
    header: Callable[[int], Header | None] = field(default=lambda n: turn(n))
    responses: list[HearResponse] = field(default_factory=list)
    sent: asyncio.Queue[HearRequest | None] = field(default_factory=asyncio.Queue)
    turns: int = 0
    # Ends its requests as soon as a turn is accepted and what was said is sent.
    vanishes: bool = False

    def say(self, *parts: Pcm, chunk: int = 3200) -> "Device":
        whole = np.concatenate(parts).tobytes()
        for at in range(0, len(whole), chunk):
            self.sent.put_nowait(HearRequest(pcm=whole[at : at + chunk]))
        return self

    def end(self) -> "Device":
        self.sent.put_nowait(HearRequest(end=AudioEnd()))
        return self

    def leave(self) -> "Device":
        self.sent.put_nowait(None)
        return self

    async def listen(self, facts: int = 1, until: str = "") -> list[HearResponse]:
        """All responses. The requests end when so many facts have been published (0: with what was said); the stream
        is closed after a response of the kind `until`."""
        self.log.watch = lambda: self.leave() if len(self.log) == facts else None
        if not facts:
            self.leave()
        heard = self.service.hear(self.requests(), Call("", Header()))
        async with aclosing(heard) as stream:
            async for response in stream:
                self.responses.append(response)
                if response.HasField("started"):
                    self._accept()
                if response.HasField(until or "final") and until:
                    break
        return self.responses

    def kinds(self) -> list[str]:
        return [str(r.WhichOneof("message")) for r in self.responses]

    async def requests(self) -> AsyncIterator[HearRequest]:
        yield HearRequest(start=HearStart(listening=self.listening))
        while (request := await self.sent.get()) is not None:
            yield request

    def _accept(self) -> None:
        self.turns += 1
        made = self.header(self.turns)
        if made is not None:
            # Ahead of the audio, as gateway does: a header never waits behind it.
            waiting = [self.sent.get_nowait() for _ in range(self.sent.qsize())]
            headers = [r for r in waiting if r is not None and r.HasField("turn")]
            for request in [*headers, HearRequest(turn=made), *waiting[len(headers) :]]:
                self.sent.put_nowait(request)
        if self.vanishes:
            self.leave()


def turn(n: int, **fields: object) -> Header:
    at = clock.now_us()
    made = Header(
        event_id=ids.event_id("", f"turn-{n}", "TurnAccepted"),
        turn_id=f"turn-{n}",
        session_id="session",
        user_id="owner",
        accepted_at_us=at,
        deadline_us=at + 60_000_000,
    )
    made.MergeFrom(Header(**fields))  # type: ignore[arg-type]
    return made


def scripted(log: Log, *lines: Line) -> SpeechService:
    return serving(log, Scripted(client=lines or (Line("hello"),)), LoudnessVoice)


def serving(log: Log, provider: Recogniser, voice: Callable[[], object]) -> SpeechService:
    def check(route: object) -> None:
        raise AssertionError("not asked for")

    routed = Routed(provider, "scripted:", "v7")
    return SpeechService(log.append, lambda: routed, voice, check)  # type: ignore[arg-type]


class Listener:
    """A recogniser that keeps what it was given."""

    def __init__(self) -> None:
        self.heard: list[Pcm] = []

    async def transcribe(self, pcm: Pcm) -> AsyncGenerator[object, None]:
        from services.speech.provider import Final

        await asyncio.sleep(0)
        self.heard.append(pcm)
        yield Final(f"{len(pcm) / 16000:.2f}")
