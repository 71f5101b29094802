"""What is done to a stack: a seed gives a schedule of faults, one at a time, each undone before the next."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from parlance import clock
from tests.chaos.stack import Stack, postgres_pids, signal_all

# What is killed and frozen most: the stages and the services that a turn cannot do without.
TARGETS = ("dialogue", "actions", "gateway", "gateway2", "intent", "speech", "llm", "tts", "context", "ledger")
_WEIGHTS = (5, 5, 3, 2, 3, 2, 2, 2, 1, 1)
RPC = ("actions", "llm", "tts", "speech", "gateway")


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


def schedule(seed: int, postgres: bool) -> list[Fault]:
    """As many as anybody could need; whoever runs them stops. Every kind comes once before one comes again."""
    dice = random.Random(seed)
    kinds = ["kill", "kill", "kill", "freeze", "freeze", "broker kill", "broker freeze", "kafka partition"]
    kinds += ["kafka cut", "kafka delay", "rpc partition", "rpc cut", "rpc delay"]
    kinds += ["postgres kill", "postgres freeze"] if postgres else []
    made = []
    for _ in range(100):
        dice.shuffle(kinds)
        made += [_fault(dice, kind) for kind in kinds]
    return made


def _fault(dice: random.Random, kind: str) -> Fault:
    target = ""
    if kind in ("kill", "freeze"):
        target = dice.choices(TARGETS, _WEIGHTS)[0]
    elif kind.startswith("rpc"):
        target = dice.choice(RPC)
    elif kind.startswith("kafka"):
        target = dice.choices(("", *TARGETS), (6, *_WEIGHTS))[0]
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
    """As a machine that fails: at once, and recovered at the next start."""
    await asyncio.to_thread(stack.server.stop)
    await asyncio.sleep(fault.for_s)
    await asyncio.to_thread(stack.server.start)


async def _postgres_freeze(stack: Stack, fault: Fault) -> None:
    """Of a server that Debian's binaries run; Docker's is killed instead."""
    if not hasattr(stack.server, "folder"):
        await _postgres_kill(stack, fault)
        return
    pids = postgres_pids(stack.server)
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
