"""One service in a process of its own: what it stands on, when it is ready, how it ends.

    python -m services.llm

It talks to Kafka (PARLANCE_BUS) and asks the others over gRPC (PARLANCE_LLM_ADDRESS and the like). Its own gRPC server
also serves health: the service's name tells whether it takes work, `bus` whether Kafka answers.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from parlance import access, garbage, log, metrics, starting, tls
from parlance import config as settings
from parlance.bus import Bus
from parlance.bus_choice import for_one
from parlance.config import PORTS, Config, make_home
from parlance.errors import InvalidRequest, ParlanceError, exit_code
from parlance.events import TOPICS, declared
from parlance.ground import Ground
from parlance.log import logger
from parlance.privacy import Keys, Sealing
from parlance.replays import Replays
from parlance.routes import CONTROL, Routes
from parlance.rpc import Carrier
from parlance.rpc_grpc import GrpcCarrier
from parlance.rpc_server import GrpcServer
from parlance.stage import Stage

# Services that keep rows; the others append to Kafka and remember nothing.
_WITH_ROWS = ("actions", "context", "dialogue")
# How long what runs may go on after SIGTERM: a little less than what Docker and Kubernetes are asked to wait.
DRAIN_S = 15.0
_LOOK_S = 1.0
# How long a service that is asked and answers nowhere is tried again: it may be starting.
PATIENCE_S = 4.0

Task = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Running:
    """What a service consists of. `services` are served over gRPC; `tasks` run until cancelled and set their event when
    they are ready; `stage` is drained first, and its dead letters are replayed on demand."""

    services: dict[str, object] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    stage: Stage | None = None
    # Called when the process is to end: begin nothing more.
    drain: list[Callable[[], None]] = field(default_factory=list)


Build = Callable[[Ground, Carrier, AsyncExitStack], Awaitable[Running]]


def ready_at_once(work: Callable[[], Coroutine[Any, Any, None]]) -> Task:
    """A task that nobody needs to wait for."""

    async def run(ready: asyncio.Event) -> None:
        ready.set()
        await work()

    return run


def main(name: str, build: Build) -> int:
    """Until SIGINT or SIGTERM. The exit code: 0, 2 for settings that make no sense, or 1 where it could not start or go
    on; the reason is printed."""
    if any(word in ("-h", "--help") for word in sys.argv[1:]):
        print(f"python -m services.{name}: the {name} service in a process of its own.\n\n{__doc__}", end="")
        return 0
    try:
        config = settings.load()
        log.configure(config.log_level, name)
        uvloop.run(_until_stopped(name, config, build))
    except starting.Ended:
        return 0
    except ParlanceError as exc:
        print(f"{name}: {exc.message}", file=sys.stderr)
        return exit_code(exc)
    except BaseExceptionGroup as group:
        print(f"{name}: {first_error(group)}", file=sys.stderr)
        return 1
    return 0


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that says what to do; all of them where there is none."""
    found: BaseException | None = group.subgroup(ParlanceError)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found or group


async def _until_stopped(name: str, config: Config, build: Build) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.enter_context(metrics.served(config.metrics))
        ground = await stack.enter_async_context(_ground(name, config, stop))
        carrier = GrpcCarrier(config.addresses, tls.own(config.tls, name), patience_s=PATIENCE_S)
        stack.push_async_callback(carrier.stop)
        metrics.watch_bus(ground.bus)
        running = await build(ground, carrier, stack)
        server = await stack.enter_async_context(_served(name, ground, running))
        garbage.settle()
        print(f"{name} is ready: gRPC on {server.address}, events on {config.bus} (Ctrl-C ends it)", flush=True)
        await stop.wait()
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one ends it at once
            loop.remove_signal_handler(number)
        print(f"{name}: ending, at most {DRAIN_S:.0f} s", flush=True)
        for call in running.drain:
            call()
        await server.drain()
        if running.stage is not None:
            await running.stage.drain(DRAIN_S)
        await server.stop(DRAIN_S)


@asynccontextmanager
async def _ground(name: str, config: Config, stop: asyncio.Event) -> AsyncGenerator[Ground, None]:
    if not config.bus:
        raise InvalidRequest(
            f"a service of its own needs Kafka: set PARLANCE_BUS to kafka://HOST:PORT ('make kafka' starts a broker "
            f"here); all services in one process, without Kafka: parlance run, instead of python -m services.{name}"
        )
    make_home(config)
    # With certificates the broker shows it no topics but its own.
    own = declared() if config.tls is None else [t for t in declared() if t.name in access.load().services[name].topics]

    def make() -> starting.Made:
        bus, rows = for_one(name, config, with_rows=name in _WITH_ROWS)
        bus.declare(own)
        return bus, rows

    bus, rows = await starting.started(make, config.start_wait_s, stop)
    try:
        routes = Routes(bus)
        if TOPICS[CONTROL] in own:
            await routes.start()
        try:
            yield Ground(config, bus, rows, Sealing(Keys(config.keys)), routes)
        finally:
            await routes.stop()
    finally:
        await bus.stop()


@asynccontextmanager
async def _served(name: str, ground: Ground, running: Running) -> AsyncGenerator[GrpcServer, None]:
    """The tasks first, for a stage hands its backlog over; then the door."""
    config = ground.config
    server = GrpcServer(
        running.services,
        config.listen or f"127.0.0.1:{config.grpc_port if name == 'gateway' else PORTS[name]}",
        tls.own(config.tls, name),
        access=access.load() if config.tls is not None else None,
        setting="PARLANCE_LISTEN",
    )
    async with asyncio.TaskGroup() as group:
        if running.stage is not None:
            Replays(ground.bus, {running.stage.name: running.stage}, group).watch(ground.routes)
        ready = [asyncio.Event() for _ in running.tasks]
        tasks = [group.create_task(task(event)) for task, event in zip(running.tasks, ready, strict=True)]
        await asyncio.gather(*(event.wait() for event in ready))
        await server.start()
        tasks.append(group.create_task(_tell_health(ground.bus, server)))
        try:
            yield server
        finally:
            await server.stop()
            for task in tasks:
                task.cancel()


async def _tell_health(bus: Bus, server: GrpcServer) -> None:
    told = None
    while True:
        failed = bus.failed
        if failed != told:
            await server.set_health("bus", not failed)
            if failed:
                logger.warning("%s", failed)
            told = failed
        await asyncio.sleep(_LOOK_S)
