"""Builds the services of one process: who asks whom, what must be loaded before the first turn."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from parlance import clock, config, models
from parlance.bus import Bus
from parlance.config import Config
from parlance.events import TOPICS, parse, topic_of
from parlance.handler_stage import stateless
from parlance.outgoing import record_of
from parlance.privacy import KeyDestroyed, Sealing
from parlance.routes import Routes
from parlance.rpc_direct import DirectCarrier
from parlance.stage import Stage
from parlance.store import Store
from parlance.v1.context_pb2 import ContextEvent
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.intent_pb2 import IntentEvent
from parlance.v1.llm_pb2 import LlmEvent
from services.actions.service import ActionsService
from services.actions.ticker import Ticker
from services.context.service import ContextService
from services.dialogue.dialogue import Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts as DialogueParts
from services.intent import handler as intent
from services.intent import provider as understanding
from services.ledger.service import LedgerService
from services.llm.service import LlmService
from services.speech import provider as recognition
from services.speech.service import SpeechService
from services.speech.vad import VoiceActivity
from services.tts.service import TtsService

# The longest that an answer is asked for again after a restart.
_RECALL_S = 150


@dataclass(slots=True)
class Base:
    """What every service stands on."""

    config: Config
    bus: Bus
    store: Store
    sealing: Sealing
    routes: Routes
    ledger: LedgerService | None = None

    def tell(self, event: Any) -> None:
        """A fact that a turn waits for."""
        self.bus.append([record_of(event, self.sealing.seal)])

    def publish(self, event: Any) -> None:
        """A fact that nobody waits for."""
        self.bus.append([record_of(event, self.sealing.seal)], lazy=True)


@dataclass(slots=True)
class Built:
    carrier: DirectCarrier
    intent: Stage
    dialogue: Dialogue
    ticker: Ticker
    # Asked from outside too: the CLI's replay.
    services: dict[str, object]


async def build(base: Base, stack: AsyncExitStack) -> Built:
    """All services, loaded and warm; `stack` ends what must be ended."""
    services: dict[str, object] = {}
    carrier = DirectCarrier(services)
    stack.push_async_callback(carrier.stop)
    ticker = Ticker(base.store, base.sealing)
    actions = ActionsService(base.store, base.sealing, ticker)
    context = ContextService(base.store, base.sealing, base.publish)
    llm = await stack.enter_async_context(LlmService(base.publish, lambda: base.routes.current("llm"), config.secret))
    tts = TtsService(base.publish, lambda: base.routes.current("tts"), home=base.config.home)
    speech, understand, *_ = await asyncio.gather(
        _speech(base), _intent(base), tts.warm(), actions.start(), context.start(), _recall(base, llm, context)
    )
    if base.ledger is not None:
        await stack.enter_async_context(base.ledger.opened())
        services["Ledger"] = base.ledger
    services.update(Actions=actions, Context=context, Llm=llm, Tts=tts, Speech=speech)
    parts = DialogueParts(base.bus, base.store, base.sealing, carrier, converse)
    stage = stateless("intent", base.bus, base.sealing, lambda e: intent.understand(e, understand), IntentEvent)
    return Built(carrier, stage.only(intent.KINDS), Dialogue(parts), ticker, services)


async def _intent(base: Base) -> understanding.Routed:
    return await asyncio.to_thread(understanding.open_route, base.routes.current("intent"), base.config.home)


async def _speech(base: Base) -> SpeechService:
    home = base.config.home
    detector = await asyncio.to_thread(lambda: VoiceActivity(models.locate("silero-vad", home)))
    recognisers = Recognisers(base)
    await recognisers.load(base.routes.current("speech"))
    return SpeechService(base.tell, recognisers.current, detector.stream, recognisers.load_now)


class Recognisers:
    """Recognisers by route, loaded once each. A route is checked, and so loaded, before it is set."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._loaded: dict[str, recognition.Routed] = {}

    def current(self) -> recognition.Routed:
        route = self._base.routes.current("speech")
        found = self._loaded.get(_name(route)) or self.load_now(route)
        return recognition.Routed(found.provider, route.target, route.version)

    def load_now(self, route: RouteSet) -> recognition.Routed:
        """Blocks while the model loads."""
        made = self._loaded[_name(route)] = recognition.open_route(route, self._base.config.home)
        return made

    async def load(self, route: RouteSet) -> None:
        await asyncio.to_thread(self.load_now, route)


def _name(route: RouteSet) -> str:
    return f"{route.target} {sorted(route.settings.items())}"


async def _recall(base: Base, llm: LlmService, context: ContextService) -> None:
    """Answers of an earlier life that may be asked for again."""
    loop = asyncio.get_running_loop()
    async with aclosing(_recent(base, LlmEvent)) as events:
        async for event in events:
            llm.recover(event)
    async with aclosing(_recent(base, ContextEvent)) as events:
        async for event in events:
            left = (event.header.deadline_us - clock.now_us()) / 1e6
            context.recall(event, loop.time() + left)


async def _recent(base: Base, cls: type[Message]) -> AsyncGenerator[Any, None]:
    topic = topic_of(cls).name
    for partition in range(TOPICS[topic].partitions):
        start = await base.bus.offset_at(topic, partition, clock.now_us() - _RECALL_S * 1_000_000)
        while records := await base.bus.read(topic, partition, start):
            for record in records:
                try:
                    yield base.sealing.open(parse(topic, record.value))
                except KeyDestroyed:
                    continue
            start = records[-1].offset + 1
