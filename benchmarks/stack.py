"""The platform's own pieces in this process, on a journal with its writer thread; only the models are scripted."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import instant
from parlance import garbage
from parlance.bus import Bus
from parlance.bus_choice import without_rows
from parlance.bus_journal import JournalBus
from parlance.config import Config
from parlance.events import TopicInfo, declared
from parlance.ground import Ground
from parlance.handler_stage import stateless
from parlance.history import History
from parlance.privacy import Keys, Sealing
from parlance.routes import DEFAULTS, Routes
from parlance.rpc_direct import DirectCarrier
from parlance.stage import Stage
from parlance.store import Store
from parlance.store_sqlite import SqliteStore
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.intent_pb2 import IntentEvent
from services.actions.service import ActionsService
from services.actions.ticker import Ticker
from services.context.service import ContextService
from services.dialogue.dialogue import TOPICS as DIALOGUE_TOPICS
from services.dialogue.dialogue import Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts as DialogueParts
from services.dialogue.wiring import lead_s
from services.gateway.parts import Parts as GatewayParts
from services.gateway.service import GatewayService
from services.intent import handler as intent
from services.intent.provider import open_route
from services.intent.wiring import TOPICS as INTENT_TOPICS
from services.llm.parts import Parts
from services.llm.service import LlmService
from services.tts.service import TtsService
from tests.free_models import FreeModels

# Six chunks of a language model, three clauses, nine pieces of sound.
CHAT = "Well done. Look here. Good luck."


@dataclass(frozen=True, slots=True)
class Setup:
    """`script`: what the language model says (services/llm/providers/scripted.py); `voice`: settings of the instant
    one; `intent`: the target of its route; `speech`: a service in place of the real one."""

    script: dict[str, Any] = field(default_factory=lambda: {"answers": [{"text": CHAT}]})
    voice: dict[str, str] = field(default_factory=dict)
    llm: str = "scripted:script"
    intent: str = "scripted:"
    speech: object | None = None
    topics: Sequence[TopicInfo] = ()


@dataclass(slots=True)
class Pieces:
    """Everything, built and not started: a benchmark may put other parts in."""

    bus: Bus
    store: Store
    sealing: Sealing
    carrier: DirectCarrier
    llm: LlmService
    intent: Stage
    dialogue: Dialogue
    gateway: GatewayService
    ticker: Ticker
    history: History


@asynccontextmanager
async def built(
    home: Path, setup: Setup, sealing: Sealing | None = None, store: Any = SqliteStore, bus: Bus | None = None
) -> AsyncIterator[Pieces]:
    """The services over a bus that runs; their stages do not run yet. `bus`: in place of a journal, not started."""
    instant.register()
    bus = bus or JournalBus(home / "journal.db")
    kept: Store = store(bus)
    bus.declare([*declared(), *setup.topics])
    await bus.start()
    sealing = sealing or Sealing(Keys(home / "keys.json"))
    routes = Routes(bus, {**DEFAULTS, **_routes(home, setup)})
    base = Ground(_config(home), bus, kept, sealing, routes)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.stop)
        await routes.start()
        stack.push_async_callback(routes.stop)
        yield await _pieces(base, setup, stack)


async def _pieces(base: Ground, setup: Setup, stack: AsyncExitStack) -> Pieces:
    bus, store, sealing, routes = base.bus, base.store, base.sealing, base.routes
    log = without_rows(bus)
    publish = replace(base, bus=log).publish
    services: dict[str, object] = {}
    carrier = DirectCarrier(services)
    ticker = Ticker(store, sealing)
    actions = ActionsService(store, sealing, ticker)
    context = ContextService(store, sealing, base.publish)
    models = Parts(models=FreeModels())
    llm = await stack.enter_async_context(LlmService(publish, lambda: routes.current("llm"), parts=models))
    tts = TtsService(publish, lambda: routes.current("tts"), fallbacks=())
    await actions.start()
    await context.start()
    await tts.warm()
    services.update(Actions=actions, Context=context, Llm=llm, Tts=tts)
    if setup.speech is not None:
        services["Speech"] = setup.speech
    routed = open_route(routes.current("intent"), base.config.home)
    history = History(log, sealing)
    return Pieces(
        bus=bus,
        store=store,
        sealing=sealing,
        carrier=carrier,
        llm=llm,
        intent=stateless(
            "intent", log, sealing, lambda event: intent.understand(event, routed), IntentEvent, intent.KINDS
        ),
        dialogue=Dialogue(DialogueParts(bus, store, sealing, carrier, converse, lead_s=lead_s(bus))),
        gateway=GatewayService(GatewayParts(log, sealing, carrier, routes, history)),
        ticker=ticker,
        history=history,
    )


@asynccontextmanager
async def running(pieces: Pieces) -> AsyncIterator[None]:
    """Stages and gateway, ready; the garbage collector as in services/platform.py."""
    ready = [asyncio.Event() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        work = (
            pieces.intent.run(INTENT_TOPICS, ready[0]),
            pieces.dialogue.stage.run(DIALOGUE_TOPICS, ready[1]),
            pieces.gateway.run(ready[2]),
            pieces.ticker.run(),
        )
        tasks = [group.create_task(w) for w in work]
        for event in ready:
            await event.wait()
        garbage.settle()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _routes(home: Path, setup: Setup) -> dict[str, RouteSet]:
    script = home / "script.json"
    script.write_text(json.dumps(setup.script))
    return {
        "llm": RouteSet(stage="llm", target=setup.llm, version="v0", settings={"file": str(script)}),
        "tts": RouteSet(stage="tts", target="instant:", version="v0", settings=setup.voice),
        "intent": RouteSet(stage="intent", target=setup.intent, version="v0"),
    }


def _config(home: Path) -> Config:
    return Config(home, "", 0, 0, "owner", "UTC", "warning")
