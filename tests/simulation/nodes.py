"""The processes: the real services on simulated buses, and scripted ones at the edges (ears, voice, model)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from parlance.events import TOPICS, parse
from parlance.handler_stage import stateless
from parlance.history import History
from parlance.outgoing import record_of
from parlance.routes import Routes
from parlance.rpc import Carrier
from parlance.rpc_direct import DirectCarrier
from parlance.v1.intent_pb2 import IntentEvent
from services.actions.service import ActionsService
from services.actions.ticker import Ticker
from services.dialogue.dialogue import TOPICS as DIALOGUE_TOPICS
from services.dialogue.dialogue import Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts as DialogueParts
from services.gateway.parts import Parts as GatewayParts
from services.gateway.service import GatewayService
from services.intent.handler import KINDS
from services.llm.parts import Parts
from services.llm.service import LlmService
from services.tts.service import TtsService
from tests.free_models import FreeModels
from tests.simulation.bus import SimBus, Writer
from tests.simulation.carrier import SimCarrier
from tests.simulation.edges import LLM, TTS, Ears, understand
from tests.simulation.loop import Life
from tests.simulation.store import SimStore
from tests.simulation.world import World


async def _opened(service: LlmService) -> None:
    async with service:
        await asyncio.Event().wait()


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
            group.create_task(stage.run(DIALOGUE_TOPICS, ready))
            group.create_task(self._intent_stage(writer).run(("session.v1", "speech.v1")))
            await ready.wait()
            await self._open_gateway(group, life, writer, carrier)

    async def _run_edges(self, group: asyncio.TaskGroup, life: Life, writer: Writer, offer: Any) -> None:
        await self._run_actions(group, life, writer, offer)
        await self._run_llm(group, life, writer, offer)
        offer("Tts", life, self._voice(writer))
        offer("Speech", life, Ears(self.world, SimBus(writer)))

    async def _run_actions(self, group: asyncio.TaskGroup, life: Life, writer: Writer, offer: Any) -> None:
        store = SimStore(writer)
        ticker = Ticker(store, self.world.sealing)
        service = ActionsService(store, self.world.sealing, ticker)
        await service.start()
        offer("Actions", life, service)
        group.create_task(ticker.run())

    async def _run_llm(self, group: asyncio.TaskGroup, life: Life, writer: Writer, offer: Any) -> None:
        service = LlmService(self._publish(writer), lambda: LLM, parts=Parts(models=FreeModels()))
        for partition in range(TOPICS["llm.v1"].partitions):
            for record in await SimBus(writer).read("llm.v1", partition, 0, 100_000):
                service.recover(self.world.sealing.open(parse(record.topic, record.value)))
        group.create_task(_opened(service))
        offer("Llm", life, service)

    def _voice(self, writer: Writer) -> TtsService:
        return TtsService(self._publish(writer), lambda: TTS, fallbacks=())

    def _publish(self, writer: Writer) -> Callable[[Any], Any]:
        """In one process the writer's order is enough: nobody waits."""
        bus, seal = SimBus(writer), self.world.sealing.seal
        if self.embedded:
            return lambda event: bus.append([record_of(event, seal)], lazy=True)
        return lambda event: bus.publish(record_of(event, seal))

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
        return stateless("intent", SimBus(writer), self.world.sealing, understand, IntentEvent, KINDS)

    # each in a process of its own

    async def _gateway(self, life: Life) -> None:
        async with asyncio.TaskGroup() as group:
            await self._open_gateway(group, life, self._writer(life), self._carrier(life))

    async def _intent(self, life: Life) -> None:
        await self._intent_stage(self._writer(life)).run(("session.v1", "speech.v1"))

    async def _dialogue(self, life: Life) -> None:
        await self._dialogue_stage(self._writer(life), self._carrier(life)).run(DIALOGUE_TOPICS)

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
        self._offer("Tts", life, self._voice(self._writer(life)))
        await asyncio.Event().wait()
