"""The processes: the real services on simulated buses, and scripted ones at the edges (ears, voice, model)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any

from parlance import clock
from parlance.events import kind
from parlance.handler_stage import stateless
from parlance.history import History
from parlance.outgoing import caused_by, follow, record_of
from parlance.routes import Routes
from parlance.rpc import Call, Carrier
from parlance.rpc_direct import DirectCarrier
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized, Slot
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, SpeechFinal, SpeechStarted
from parlance.v1.tts_service_pb2 import SpeakBegan, SpeakRequest, SpeakResponse
from services.actions.service import ActionsService
from services.actions.ticker import Ticker
from services.dialogue.dialogue import TOPICS, Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts as DialogueParts
from services.gateway.parts import Parts as GatewayParts
from services.gateway.service import GatewayService
from tests.simulation.bus import SimBus, Writer
from tests.simulation.carrier import SimCarrier
from tests.simulation.loop import Life
from tests.simulation.store import SimStore
from tests.simulation.world import World

ANSWER_US = 30_000_000
# "chat 7": the first word says what is meant.
INTENTS = {"note": "note.add", "list": "list.add", "timer": "timer.set", "hello": "greeting", "look": "contacts.phone"}
_RATE_HZ = 1000


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

    def __init__(self, world: World) -> None:
        self._world = world

    async def speak(self, request: SpeakRequest, call: Call) -> AsyncGenerator[SpeakResponse, None]:
        yield SpeakResponse(began=SpeakBegan(provider="tone", sample_rate_hz=_RATE_HZ))
        for _ in range(self._world.chance.randint(1, 3)):
            await asyncio.sleep(self._world.delay(0.2))
            yield SpeakResponse(pcm=bytes(2 * self._world.chance.choice((30, 100, 400))))


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
    """An answer of random length, each of whose clauses names the answer that it belongs to."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, request: Any) -> AsyncGenerator[str, None]:
        chance = self._world.chance
        tag = f"{chance.getrandbits(24):06x}"
        for n in range(chance.randint(1, 5)):
            await asyncio.sleep(self._world.delay(0.25, 0.001))
            for piece in (f"Answer {tag} ", f"says {n}. "):
                yield piece


class Stack:
    """All processes: each on its own, or everything in one (`embedded`, as `make run` does it)."""

    def __init__(self, world: World, embedded: bool) -> None:
        self.world, self.embedded = world, embedded
        self.services: dict[str, tuple[Life, object]] = {}
        self.lives: dict[str, Life] = {}
        self.gateway: tuple[Life, GatewayService] | None = None
        self.broken: list[str] = []
        self.mains: dict[str, Callable[[Life], Coroutine[Any, Any, None]]] = {
            "gateway": self._gateway,
            "intent": self._intent,
            "dialogue": self._dialogue,
            "llm": self._llm,
            "actions": self._actions,
            "speech": self._speech,
            "tts": self._tts,
        }
        if embedded:
            self.mains = {"parlance": self._all}

    def start(self, name: str) -> Life:
        life = self.lives[name] = self.world.begin(name, lambda life: self._guarded(self.mains[name], life))
        return life

    async def _guarded(self, main: Callable[[Life], Coroutine[Any, Any, None]], life: Life) -> None:
        try:
            await main(life)
        except Exception as exc:
            if not self.world.closed:
                self.broken.append(f"{life} broke down: {exc!r}")

    def _find(self, service: str) -> tuple[Life, object] | None:
        found = self.services.get(service)
        return found if found is not None and found[0].alive else None

    def _offer(self, name: str, life: Life, service: object) -> None:
        self.services[name] = (life, service)

    def _carrier(self, life: Life) -> Carrier:
        return SimCarrier(self.world, life, self._find)

    def _writer(self, life: Life) -> Writer:
        return Writer(self.world, life)

    async def _all(self, life: Life) -> None:
        writer, services = self._writer(life), dict[str, object]()
        carrier = DirectCarrier(services)

        def offer(name: str, life: Life, service: object) -> None:
            services[name] = service

        async with asyncio.TaskGroup() as group:
            await self._run_edges(group, life, writer, offer)
            stage = self._dialogue_stage(writer, carrier)
            ready = asyncio.Event()
            group.create_task(stage.run(TOPICS, ready))
            group.create_task(self._intent_stage(writer).run(("session.v1", "speech.v1")))
            await ready.wait()
            await self._open_gateway(group, life, writer, carrier)

    async def _run_edges(self, group: asyncio.TaskGroup, life: Life, writer: Writer, offer: Any) -> None:
        await self._run_actions(group, life, writer, offer)
        await self._run_llm(group, life, writer, offer)
        offer("Tts", life, Voice(self.world))
        offer("Speech", life, Ears(self.world, SimBus(writer)))

    async def _run_actions(self, group: asyncio.TaskGroup, life: Life, writer: Writer, offer: Any) -> None:
        store = SimStore(writer)
        ticker = Ticker(store, self.world.sealing)
        service = ActionsService(store, self.world.sealing, ticker)
        await service.start()
        offer("Actions", life, service)
        group.create_task(ticker.run())

    async def _run_llm(self, group: asyncio.TaskGroup, life: Life, writer: Writer, offer: Any) -> None:
        from tests.simulation.standin_llm import StandinLlm

        made = StandinLlm(SimBus(writer), self.world.sealing, Model(self.world).answer, group)
        await made.recover()
        offer("Llm", life, made)

    async def _open_gateway(self, group: asyncio.TaskGroup, life: Life, writer: Writer, carrier: Carrier) -> None:
        bus, sealing = SimBus(writer), self.world.sealing
        service = GatewayService(GatewayParts(bus, sealing, carrier, Routes(bus), History(bus, sealing)))
        ready = asyncio.Event()
        group.create_task(service.run(ready))
        await ready.wait()
        self.gateway = (life, service)

    def _dialogue_stage(self, writer: Writer, carrier: Carrier) -> Any:
        parts = DialogueParts(SimBus(writer), SimStore(writer), self.world.sealing, carrier, converse, cut_in_s=2.0)
        return Dialogue(parts).stage

    def _intent_stage(self, writer: Writer) -> Any:
        return stateless("intent", SimBus(writer), self.world.sealing, understand, IntentEvent)

    # each in a process of its own

    async def _gateway(self, life: Life) -> None:
        async with asyncio.TaskGroup() as group:
            await self._open_gateway(group, life, self._writer(life), self._carrier(life))

    async def _intent(self, life: Life) -> None:
        await self._intent_stage(self._writer(life)).run(("session.v1", "speech.v1"))

    async def _dialogue(self, life: Life) -> None:
        await self._dialogue_stage(self._writer(life), self._carrier(life)).run(TOPICS)

    async def _llm(self, life: Life) -> None:
        async with asyncio.TaskGroup() as group:
            await self._run_llm(group, life, self._writer(life), self._offer)
            await asyncio.Event().wait()

    async def _actions(self, life: Life) -> None:
        async with asyncio.TaskGroup() as group:
            await self._run_actions(group, life, self._writer(life), self._offer)

    async def _speech(self, life: Life) -> None:
        self._offer("Speech", life, Ears(self.world, SimBus(self._writer(life))))
        await asyncio.Event().wait()

    async def _tts(self, life: Life) -> None:
        self._offer("Tts", life, Voice(self.world))
        await asyncio.Event().wait()
