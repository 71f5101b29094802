"""The edges of the stack, scripted: what a text means, ears, voice, model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from parlance import clock, providers
from parlance.errors import RateLimited
from parlance.events import kind
from parlance.outgoing import caused_by, follow, record_of
from parlance.rpc import Call
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized, Slot
from parlance.v1.llm_service_pb2 import AnswerRequest
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, SpeechFinal, SpeechStarted
from services.llm.provider import Usage
from services.llm.providers import PROVIDERS as MODELS
from services.tts.providers import PROVIDERS as VOICES
from tests.simulation.bus import SimBus
from tests.simulation.world import World, world_now

ANSWER_US = 30_000_000
# "chat 7": the first word says what is meant.
INTENTS = {
    "note": "note.add",
    "list": "list.add",
    "timer": "timer.set",
    "hello": "greeting",
    "look": "contacts.phone",
    "repeat": "repeat",
    "yes": "affirm",
}
LLM = RouteSet(stage="llm", target="simulated:", version="v1")
TTS = RouteSet(stage="tts", target="simulated:", version="v1")


async def understand(event: Any) -> AsyncGenerator[IntentRecognized, None]:
    if kind(event) == "final" and event.final.no_speech:
        yield IntentRecognized(no_speech=True)
    elif text := getattr(event, kind(event)).text if kind(event) in ("accepted", "final") else "":
        first, _, rest = text.partition(" ")
        slots = {"note": ("text", text), "list": ("item", rest), "timer": ("duration", f"{rest} seconds")}
        made = IntentRecognized(intent=INTENTS.get(first, "chat"), text=text)
        if first in slots:
            made.slots.append(Slot(name=slots[first][0], value=slots[first][1]))
        yield made


async def understood(event: Any) -> list[Any]:
    """The same as the stage publishes it, for running a turn again."""
    return [follow(IntentEvent, event.header, body, n) async for n, body in _numbered(understand(event))]


async def _numbered(bodies: AsyncIterator[Any]) -> AsyncGenerator[tuple[int, Any], None]:
    n = 0
    async for body in bodies:
        yield n, body
        n += 1


class Voice:
    """Speaks at once, in sound of some length."""

    sample_rate_hz = 1000

    def __init__(self, model: str) -> None:
        self._world = world_now()

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        if sound_s := self._world.sound_s:
            yield bytes(2 * round(sound_s * self.sample_rate_hz))
            return
        for _ in range(self._world.chance.randint(1, 3)):
            await asyncio.sleep(self._world.delay(0.2))
            yield bytes(2 * self._world.chance.choice((30, 100, 400)))


class Ears:
    """Hears what a device writes into its samples. What was being heard is gone with the process."""

    def __init__(self, world: World, bus: SimBus) -> None:
        self._world, self._bus = world, bus

    async def hear(self, requests: AsyncIterator[HearRequest], call: Call) -> AsyncGenerator[HearResponse, None]:
        pcm, header, over = b"", None, False
        async for request in requests:
            which = request.WhichOneof("message")
            if which == "pcm":
                if not pcm:
                    yield HearResponse(started=SpeechStarted())
                pcm += request.pcm
            elif which == "turn":
                header = request.turn
            over = over or which == "end"
            if over and header is not None:
                yield await self._heard(pcm.decode("utf-16-le"), header)
                pcm, header, over = b"", None, False

    async def _heard(self, text: str, header: Any) -> HearResponse:
        cause = type(header).FromString(header.SerializeToString())
        cause.asked_at_us = clock.now_us()
        cause.deadline_us = cause.asked_at_us + self._world.chance.choice((400_000, ANSWER_US))
        await asyncio.sleep(self._world.delay(0.3))
        final = FinalTranscript(text=text, no_speech=text == "-", provider="scripted")
        made = SpeechEvent(header=caused_by(cause, final), final=final)
        self._bus.append([record_of(made, self._world.sealing.seal)])
        return HearResponse(final=SpeechFinal(turn_id=header.turn_id, text=text, header=made.header))


class Model:
    """An answer of random length, each of whose clauses names the answer that it belongs to; some break off."""

    destination = ""

    def __init__(self, model: str) -> None:
        self._world = world_now()

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[str | Usage, None]:
        chance = self._world.chance
        tag, longest = f"{chance.getrandbits(24):06x}", 0.25 if chance.random() < 0.9 else 2.0
        for n in range(chance.randint(1, 5)):
            await asyncio.sleep(self._world.chunk_s or self._world.delay(longest, 0.001))
            if chance.random() < self._world.faults.break_off:
                raise RateLimited("too many questions")
            for piece in (f"Answer {tag} ", f"says {n}. "):
                yield piece
        yield Usage()


@contextmanager
def scripted_providers() -> Iterator[None]:
    """Adds ours to the providers that routes may name."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(MODELS, simulated=f"{__name__}:Model"))
        stack.enter_context(mock.patch.dict(VOICES, simulated=f"{__name__}:Voice"))
        # Entry points of installed packages are read from the disk.
        stack.enter_context(mock.patch.object(providers, "known", lambda stage, own: own))
        yield
