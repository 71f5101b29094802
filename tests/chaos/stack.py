"""All services as processes, with a proxy before the broker and before each gRPC server."""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parlance.bus_kafka import KafkaBus
from parlance.events import declared
from parlance.routes import Routes
from parlance.v1.control_pb2 import RouteSet
from tests import kafka_broker
from tests.chaos.proxy import Proxy
from tests.kafka_broker import Broker
from tests.ports import free_port
from tests.processes import Process, Processes

_LOOK_S = 0.25
# All of them start at once, on few cores.
READY_S = 180.0
# Of a test: it ends before pytest ends it, which would leave its processes to the tests that follow.
LIMIT_S = 540.0
# The voice: a tone of this length. What is said, whatever sounds.
TONE_MS_PER_CHAR = 4
SPOKEN = "set a timer for 5 hours"
ROUTES = (
    RouteSet(stage="llm", target="scripted:story", settings={"chunk_delay_s": "0.004"}),
    RouteSet(stage="tts", target="tone:", settings={"ms_per_char": str(TONE_MS_PER_CHAR)}),
    RouteSet(stage="speech", target="scripted:", settings={"text": SPOKEN}),
    RouteSet(stage="intent", target="patterns:"),
)
# What a service says that was started while the broker was away; whoever started it starts it again.
_MAY_SAY = (
    "no Kafka broker answers",
    "did not do what was asked",
    "reading from Kafka",
    "PostgreSQL",
    "without a leader",
)


@dataclass
class Stack:
    """`touched`: the processes that a fault has in its hands; the others are started again where they end."""

    processes: Processes
    broker: Broker
    kafka: Proxy
    rpc: dict[int, Proxy]
    server: Any = None
    touched: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    restarts: int = 0

    def rpc_of(self, name: str) -> Proxy:
        return self.rpc[self.processes[name].port]

    def replicas(self) -> dict[str, list[str]]:
        """The names of the processes of each service."""
        made: dict[str, list[str]] = {}
        for process in self.processes.all.values():
            made.setdefault(process.service, []).append(process.name)
        return made

    def pids(self) -> dict[int, str]:
        return {p.popen.pid: p.name for p in self.processes.all.values() if p.popen is not None and p.runs}

    def heal(self) -> None:
        for proxy in (self.kafka, *self.rpc.values()):
            proxy.heal()

    async def restart(self, name: str, words: tuple[str, ...] = ()) -> float:
        """Starts it again, as often as it takes; the seconds until it was ready."""
        began = asyncio.get_running_loop().time()
        process = self.processes[name]
        while True:
            process.start(words)
            try:
                await asyncio.to_thread(process.wait_ready, READY_S)
            except AssertionError:
                if not self._blameless(process):
                    raise
                self.restarts += 1
                await asyncio.sleep(0.5)
                continue
            return asyncio.get_running_loop().time() - began

    @staticmethod
    def _blameless(process: Process) -> bool:
        return not process.runs and any(word in process.log for word in _MAY_SAY)

    async def supervise(self) -> None:
        """Starts again what ends by itself, and keeps why. Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for name, process in self.processes.all.items():
                if name in self.touched or process.runs:
                    continue
                if not self._blameless(process):
                    self.problems.append(f"{name} ended by itself: {process.log[-600:]}")
                self.restarts += 1
                self.touched.add(name)
                await self.restart(name)
                self.touched.discard(name)


@asynccontextmanager
async def stack(
    folder: Path, counts: Mapping[str, int], roots: Mapping[str, Path] | None = None
) -> AsyncIterator[Stack]:
    """Ready; nothing of it is left at the end. Skips the test where there can be no broker. `roots`: the checkouts that
    processes run from, where it is not this one."""
    port, told = free_port(), free_port()
    broker = kafka_broker.broker(folder / "broker", port, told)
    proxies: dict[int, Proxy] = {}

    def via(port: int) -> int:
        proxies[port] = Proxy(free_port(), port)
        return proxies[port].port

    with ExitStack() as ends:
        database, server = _database(folder, ends)
        made = Processes(folder, broker.url, counts, database, via=via)
        all_ = Stack(made, broker, Proxy(told, port), proxies, server)
        all_.kafka.pids = all_.pids
        for name, root in (roots or {}).items():
            made[name].root = root
        ends.callback(broker.forget)
        for proxy in (all_.kafka, *proxies.values()):
            await proxy.start()
        try:
            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(_apply, made)
            await _route(broker.url)
            await asyncio.gather(*(all_.restart(name) for name in made.all))
            yield all_
        except BaseException:
            for name, process in made.all.items():
                print(f"the last words of {name}: {process.log[-600:]}")
            raise
        finally:
            await _end(all_)


def replicas(more: tuple[str, ...] = ("gateway", "intent")) -> dict[str, int]:
    """Two of each of `more`; with PostgreSQL of those too that keep rows, of which one file has one owner."""
    rows = ("dialogue", "actions", "context") if has_postgres() else ()
    return dict.fromkeys((*more, *rows), 2)


def has_postgres() -> bool:
    """Whether the services can keep their rows there, and there is a server for it."""
    if importlib.util.find_spec("parlance.store_postgres") is None:
        return False
    return importlib.util.find_spec("tests.postgres_server") is not None and bool(_postgres().kind())


def _postgres() -> Any:
    return importlib.import_module("tests.postgres_server")


def _database(folder: Path, ends: ExitStack) -> tuple[dict[str, str], Any]:
    """The setting that says where the rows are, and the server; SQLite beside the keys where there is none."""
    if not has_postgres():
        return {}, None
    server = _postgres().server(folder / "postgres")
    server.start()
    ends.callback(server.forget)
    return {"PARLANCE_DATABASE": server.url}, server


async def _route(url: str) -> None:
    """Models that cost nothing, set before anybody loads another: what is proved here is not theirs."""
    bus = KafkaBus(url)
    bus.declare(declared())
    await bus.start()
    try:
        for route in ROUTES:
            await Routes(bus).set(route)
    finally:
        await bus.stop()


def _apply(made: Processes) -> None:
    applied = made.client().cli("topics", "apply")
    assert applied.returncode == 0, applied.stderr


async def _end(all_: Stack) -> None:
    all_.heal()
    with contextlib.suppress(Exception):
        all_.broker.thaw()
    for process in all_.processes.all.values():
        if process.runs:
            process.signal(signal.SIGCONT)
    await asyncio.to_thread(all_.processes.end)
    for proxy in (all_.kafka, *all_.rpc.values()):
        await proxy.stop()


def postgres_pids(server: Any) -> list[int]:
    """The processes of a server that Debian's binaries run, the postmaster first; none of Docker's."""
    if not hasattr(server, "folder"):
        return []
    first = int((Path(server.folder) / "data/postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


async def kill_postgres(server: Any) -> None:
    """kill -9 of the postmaster and all of its children; returns when they are gone. Docker kills its own."""
    pids = postgres_pids(server)
    if not pids:
        await asyncio.to_thread(server.stop)
        return
    signal_all(pids[:1], signal.SIGSTOP)  # a child that it began after the list was read would survive
    pids = postgres_pids(server)
    signal_all(pids, signal.SIGKILL)
    while any(_is_there(pid) for pid in pids):
        await asyncio.sleep(0.01)
    _unlock(Path(server.folder))


def _unlock(folder: Path) -> None:
    """After a machine's failure nobody has the number in these files; here a dead process may, until its parent has
    waited for it."""
    for lock in (*folder.glob(".s.PGSQL.*.lock"), folder / "data/postmaster.pid"):
        lock.unlink()


def _is_there(pid: int) -> bool:
    """Whether it runs; what is dead and not waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
