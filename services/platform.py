"""All services in one process, on the embedded bus or on Kafka."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import uvloop

from parlance import access, garbage, log, metrics, tls
from parlance.bus_choice import for_services, without_rows
from parlance.bus_journal import JournalBus
from parlance.config import Config, make_home
from parlance.events import declared
from parlance.ground import Ground
from parlance.log import logger
from parlance.privacy import Keys, Sealing
from parlance.process import first_error
from parlance.replays import Replays
from parlance.routes import Routes
from parlance.rpc_server import GrpcServer
from services.building import Built, build
from services.dialogue.dialogue import TOPICS as DIALOGUE_TOPICS
from services.gateway import wiring as gateway_wiring
from services.intent.wiring import TOPICS as INTENT_TOPICS
from services.ledger.service import LedgerService
from services.ledger.service import place as ledger_place
from services.ledger.traces import Traces

_DRAIN_S = 4.0


def run(config: Config) -> int:
    """Until SIGINT or SIGTERM. Raises ParlanceError where it cannot start; the message says what to do."""
    log.configure(config.log_level)
    try:
        uvloop.run(_until_stopped(config))
    except BaseExceptionGroup as group:
        raise first_error(group) from group
    return 0


async def _until_stopped(config: Config) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.served(config.metrics))
        ground, ledger = await stack.enter_async_context(_ground(config))
        metrics.watch_bus(ground.bus)
        built = await build(ground, ledger, stack)
        await stack.enter_async_context(_running(ground, ledger, built))
        garbage.settle()
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
async def _ground(config: Config) -> AsyncGenerator[tuple[Ground, LedgerService], None]:
    make_home(config)
    bus, store = for_services(config)
    bus.declare(declared())
    ledger = LedgerService(bus, ledger_place(config), config.time_zone)
    if isinstance(bus, JournalBus):
        bus.may_trim = ledger.may_trim
    await bus.start()
    try:
        routes = Routes(bus)
        await routes.start()
        yield Ground(config, bus, store, Sealing(Keys(config.keys)), routes), ledger
        await routes.stop()
    finally:
        await bus.stop()


@asynccontextmanager
async def _running(ground: Ground, ledger: LedgerService, built: Built) -> AsyncGenerator[None, None]:
    """The stages first, for they hand the backlog over; then the doors."""
    gateway, web = gateway_wiring.start(replace(ground, bus=without_rows(ground.bus)), built.carrier)
    shown = tls.own(ground.config.tls, "gateway")
    server = GrpcServer({"Gateway": gateway}, ground.config.address, shown, access=access.load() if shown else None)
    stages = {"intent": built.intent, "dialogue": built.dialogue.stage}
    async with asyncio.TaskGroup() as group:
        Replays(ground.bus, stages, group).watch(ground.routes)
        ready = [asyncio.Event() for _ in range(4)]
        work = [
            built.intent.run(INTENT_TOPICS, ready[0]),
            built.dialogue.stage.run(DIALOGUE_TOPICS, ready[1]),
            gateway.run(ready[2]),
            web.run(ready[3]),
            built.ticker.run(),
            ledger.run(),
        ]
        if ground.config.otlp:
            work.append(Traces(ground.bus, ground.config.otlp).run())
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
