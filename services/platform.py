"""All services in one process, on the embedded bus."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import uvloop

from parlance.bus_journal import JournalBus
from parlance.config import Config
from parlance.errors import ParlanceError, Unavailable
from parlance.events import EVENT_CLASSES, dead_topic, topic_of
from parlance.history import History
from parlance.log import logger
from parlance.privacy import Keys, Sealing
from parlance.routes import Routes
from parlance.rpc_server import GrpcServer
from parlance.store_sqlite import SqliteStore
from services.building import Base, Built, build
from services.dialogue.dialogue import TOPICS as DIALOGUE_TOPICS
from services.gateway.parts import Parts as GatewayParts
from services.gateway.service import GatewayService
from services.gateway.web import Web
from services.ledger.service import LedgerService
from services.replays import Replays

STAGES = ("intent", "dialogue")
INTENT_TOPICS = ("session.v1", "speech.v1")
_DRAIN_S = 4.0


def run(config: Config) -> int:
    """Until SIGINT or SIGTERM. Raises ParlanceError where it cannot start; the message says what to do."""
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    if config.bus:
        raise Unavailable(f"PARLANCE_BUS={config.bus}: this version has the embedded journal only; leave it empty")
    try:
        uvloop.run(_until_stopped(config))
    except BaseExceptionGroup as group:
        raise _first(group) from group
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that says what to do; all of them where there is none."""
    found: BaseException | None = group.subgroup(ParlanceError)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found or group


async def _until_stopped(config: Config) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(_base(config))
        built = await build(base, stack)
        await stack.enter_async_context(_running(base, built))
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        print(
            f"Parlance is ready: gRPC on {config.address}, the page on http://127.0.0.1:{config.http_port} "
            "(Ctrl-C ends it)",
            flush=True,
        )
        await stop.wait()
        print("ending; a second Ctrl-C ends it at once", flush=True)
        loop.remove_signal_handler(signal.SIGINT)
        await asyncio.gather(built.intent.drain(_DRAIN_S), built.dialogue.stage.drain(_DRAIN_S))


@asynccontextmanager
async def _base(config: Config) -> AsyncGenerator[Base, None]:
    try:
        config.home.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise Unavailable(f"{config.home} cannot be used ({exc.strerror}): set PARLANCE_HOME to a directory") from exc
    bus = JournalBus(config.journal)
    store = SqliteStore(bus)
    bus.declare([*(topic_of(cls) for cls in EVENT_CLASSES), *(dead_topic(s) for s in STAGES)])
    ledger = LedgerService(bus, config.ledger, config.time_zone)
    bus.may_trim = ledger.may_trim
    await bus.start()
    try:
        routes = Routes(bus)
        await routes.start()
        yield Base(config, bus, store, Sealing(Keys(config.keys)), routes, ledger)
        await routes.stop()
    finally:
        await bus.stop()


@asynccontextmanager
async def _running(base: Base, built: Built) -> AsyncGenerator[None, None]:
    """The stages first, for they hand the backlog over; then the doors."""
    config = base.config
    parts = GatewayParts(
        bus=base.bus,
        sealing=base.sealing,
        carrier=built.carrier,
        routes=base.routes,
        history=History(base.bus, base.sealing),
        user_id=config.user_id,
        time_zone=config.time_zone,
    )
    gateway = GatewayService(parts)
    web, server = Web(gateway, config.http_port), GrpcServer({"Gateway": gateway}, config.address)
    stages = {"intent": built.intent, "dialogue": built.dialogue.stage}
    async with asyncio.TaskGroup() as group:
        Replays(base.bus, stages, group).watch(base.routes)
        ready = [asyncio.Event() for _ in range(4)]
        work = [
            built.intent.run(INTENT_TOPICS, ready[0]),
            built.dialogue.stage.run(DIALOGUE_TOPICS, ready[1]),
            gateway.run(ready[2]),
            web.run(ready[3]),
            built.ticker.run(),
            *([base.ledger.run()] if base.ledger is not None else []),
        ]
        tasks = [group.create_task(w) for w in work]
        await asyncio.gather(*(r.wait() for r in ready))
        await server.start()
        try:
            yield
        finally:
            await server.drain()
            await server.stop(grace=1.0)
            for task in tasks:
                task.cancel()
    logger.info("ended")
