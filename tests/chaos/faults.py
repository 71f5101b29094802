"""What is done to a stack: a seed gives a schedule of faults, one at a time, each undone before the next."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parlance import clock
from tests.chaos.stack import Stack, kill_postgres, postgres_pids, signal_all

# What is killed and frozen most: the stages and the services that a turn cannot do without.
_WEIGHTS = {"dialogue": 5, "actions": 5, "gateway": 5, "intent": 3, "speech": 2, "llm": 2, "tts": 2}
_RPC = ("actions", "llm", "tts", "speech", "gateway", "context")
_OTHERS = (
    *("broker kill", "broker freeze", "kafka partition", "kafka cut", "kafka delay"),
    *("rpc partition", "rpc cut", "rpc delay"),
)
_POSTGRES = ("postgres kill", "postgres freeze")


@dataclass(frozen=True)
class Fault:
    """`target`: a process, or "" for the broker, the database, or all. Seconds: the gap before it, and how long."""

    kind: str
    target: str
    after_s: float
    for_s: float

    def __str__(self) -> str:
        return f"{self.kind} {self.target or 'all'}".strip() + f" for {self.for_s:.1f} s"


@dataclass
class Outage:
    """A fault that was. Times: when it began, was undone, and all was up again (wall clock, microseconds)."""

    fault: Fault
    began_us: int
    undone_us: int = 0
    up_us: int = 0
    # How long the turns that were open when it was undone took to end; filled in from the log.
    catch_up_s: float = 0.0
    problems: list[str] = field(default_factory=list)


Replicas = Mapping[str, Sequence[str]]
"""The names of the processes of each service."""


def each_once(dice: random.Random, replicas: Replicas, postgres: bool) -> list[Fault]:
    """Every service killed and frozen (one of its processes), and every other kind of fault, in an order of the dice:
    what each run must have been through."""
    wanted = [(kind, service) for kind in ("kill", "freeze") for service in replicas]
    wanted += [(kind, "") for kind in (*_OTHERS, *(_POSTGRES if postgres else ()))]
    dice.shuffle(wanted)
    return [_fault(dice, kind, service, replicas) for kind, service in wanted]


def any_of(dice: random.Random, replicas: Replicas, postgres: bool) -> Iterator[Fault]:
    """Without end; whoever runs them stops."""
    kinds = ["kill", "kill", "kill", "freeze", "freeze", *_OTHERS, *(_POSTGRES if postgres else ())]
    while True:
        dice.shuffle(kinds)
        for kind in kinds:
            yield _fault(dice, kind, _service(dice, replicas) if kind in ("kill", "freeze") else "", replicas)


def _service(dice: random.Random, replicas: Replicas) -> str:
    return dice.choices(list(replicas), [_WEIGHTS.get(name, 1) for name in replicas])[0]


def _fault(dice: random.Random, kind: str, service: str, replicas: Replicas) -> Fault:
    target = dice.choice(replicas[service]) if service else ""
    if kind.startswith("rpc"):
        target = dice.choice(_RPC)
    elif kind.startswith("kafka") and dice.random() < 0.75:
        target = dice.choice(replicas[_service(dice, replicas)])
    longest = {"kill": 1.0, "broker kill": 3.0, "postgres kill": 2.0, "kafka cut": 0.1, "rpc cut": 0.1}.get(kind, 8.0)
    return Fault(kind, target, dice.uniform(0.5, 3.0), dice.uniform(0.05, longest))


async def inflict(stack: Stack, fault: Fault) -> Outage:
    """Does it, waits, undoes it; returns when everything is up."""
    made = Outage(fault, clock.now_us())
    await _KINDS[fault.kind](stack, fault)
    stack.heal()
    made.undone_us = made.undone_us or clock.now_us()
    made.up_us = clock.now_us()
    return made


async def _kill(stack: Stack, fault: Fault) -> None:
    process = stack.processes[fault.target]
    stack.touched.add(fault.target)
    try:
        if process.runs:
            process.kill()
        await asyncio.sleep(fault.for_s)
        await stack.restart(fault.target)
    finally:
        stack.touched.discard(fault.target)


async def _freeze(stack: Stack, fault: Fault) -> None:
    process = stack.processes[fault.target]
    stack.touched.add(fault.target)
    try:
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.for_s)
    finally:
        process.signal(signal.SIGCONT)
        stack.touched.discard(fault.target)


async def _broker_kill(stack: Stack, fault: Fault) -> None:
    await asyncio.to_thread(stack.broker.kill)
    await asyncio.sleep(fault.for_s)
    await asyncio.to_thread(stack.broker.start)


async def _broker_freeze(stack: Stack, fault: Fault) -> None:
    await asyncio.to_thread(stack.broker.freeze)
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        await asyncio.to_thread(stack.broker.thaw)


async def _kafka(stack: Stack, fault: Fault) -> None:
    match fault.kind:
        case "kafka partition":
            stack.kafka.hold(fault.target)
        case "kafka delay":
            stack.kafka.delay(0.1, fault.target)
        case _:
            stack.kafka.cut(fault.target)
    await asyncio.sleep(fault.for_s)


async def _rpc(stack: Stack, fault: Fault) -> None:
    proxy = stack.rpc_of(fault.target)
    match fault.kind:
        case "rpc partition":
            proxy.hold()
        case "rpc delay":
            proxy.delay(0.1)
        case _:
            proxy.cut()
    await asyncio.sleep(fault.for_s)


async def _postgres_kill(stack: Stack, fault: Fault) -> None:
    """As a machine that fails: kill -9 of all its processes, and recovered at the next start."""
    await kill_postgres(stack.server)
    await asyncio.sleep(fault.for_s)
    await asyncio.to_thread(stack.server.start)


async def _postgres_freeze(stack: Stack, fault: Fault) -> None:
    """Of a server that Debian's binaries run; Docker's is killed instead."""
    pids = postgres_pids(stack.server)
    if not pids:
        await _postgres_kill(stack, fault)
        return
    signal_all(pids, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        signal_all(pids, signal.SIGCONT)


_KINDS: dict[str, Callable[[Stack, Fault], Awaitable[None]]] = {
    "kill": _kill,
    "freeze": _freeze,
    "broker kill": _broker_kill,
    "broker freeze": _broker_freeze,
    "kafka partition": _kafka,
    "kafka cut": _kafka,
    "kafka delay": _kafka,
    "rpc partition": _rpc,
    "rpc cut": _rpc,
    "rpc delay": _rpc,
    "postgres kill": _postgres_kill,
    "postgres freeze": _postgres_freeze,
}
