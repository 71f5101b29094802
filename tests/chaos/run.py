"""The parts of a run: load, faults and poison, until every turn has ended; then what is left is judged."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parlance.bus_kafka import KafkaBus
from parlance.events import declared
from parlance.privacy import Keys
from tests.chaos import faults, judge
from tests.chaos.evidence import Evidence, Reader
from tests.chaos.faults import Fault, Outage
from tests.chaos.poison import Poison, made
from tests.chaos.stack import Stack, replicas
from tests.chaos.talkers import Asked, Talker, questions

# How long the last turn may take to end: a spoken one whose sound was lost has a minute to be heard.
SETTLE_S = 120.0
_TIMER_S = 3.0
_POISON_EVERY_S = 1.0


@dataclass
class Plan:
    """`turns`: at least so many, and more where the faults take longer. `seconds`: how long the asking is spread over.
    `faults`: in order; None: those of the seed."""

    seed: int
    turns: int = 300
    seconds: float = 180.0
    sessions: int = 10
    faults: list[Fault] | None = None
    counts: dict[str, int] = field(default_factory=replicas)
    poison: bool = True
    measure: bool = True
    tell: Callable[[str], None] = print


@dataclass
class Result:
    plan: Plan
    talkers: list[Talker] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    problems: list[str] = field(default_factory=list)
    restarts: int = 0
    # Dead letters that were handed back to their stages.
    replayed: int = 0
    settle_s: float = 0.0
    # When the faults began: time.monotonic(), seconds.
    began: float = 0.0
    measured: dict[str, float] = field(default_factory=dict)

    @property
    def under_faults(self) -> list[Asked]:
        """What was asked since they began; what was asked before measures a stack without any."""
        return [a for t in self.talkers for a in t.asked if a.sent >= self.began]

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(a.outcome or a.without for a in self.under_faults)


@asynccontextmanager
async def talking(running: Stack, sessions: int) -> AsyncIterator[list[Talker]]:
    """Talkers with open conversations, every third of them with sound."""
    found = [Talker(running.processes.addresses["gateway"], f"talk-{n}", voiced=n % 3 == 0) for n in range(sessions)]
    async with background(*(t.run() for t in found)):
        async with asyncio.timeout(60):
            for talker in found:
                await talker.ready()
        yield found


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs beside what is inside, and ends with it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def load(running: Stack, plan: Plan, result: Result) -> None:
    """Until all is asked and every fault that must come has come; others go on as long."""
    over, thorough = asyncio.Event(), asyncio.Event()
    result.began = time.monotonic()
    async with background(running.supervise()), asyncio.TaskGroup() as group:
        group.create_task(_inflict(running, result, over, thorough))
        if plan.poison:
            group.create_task(_poison(running, plan, result, over))
        try:
            await _asking(plan, result.talkers, thorough)
        finally:
            over.set()


async def _asking(plan: Plan, found: list[Talker], thorough: asyncio.Event) -> None:
    numbers = itertools.count(1)
    pause = plan.seconds * len(found) / plan.turns

    async def talk(n: int, talker: Talker) -> None:
        dice = random.Random(f"{plan.seed}/{n}")
        share = len(range(n, plan.turns, len(found)))
        for count, text in enumerate(questions(dice, talker.voiced)):
            if count >= share and thorough.is_set():
                return
            await asyncio.sleep(dice.uniform(0, 1.5 * pause))
            await talker.ask(text.format(n=next(numbers)))

    async with asyncio.TaskGroup() as group:
        for n, talker in enumerate(found):
            group.create_task(talk(n, talker))


async def _inflict(running: Stack, result: Result, over: asyncio.Event, thorough: asyncio.Event) -> None:
    must, more = _wanted(running, result.plan)
    for fault in itertools.chain(must, more):
        if len(result.outages) == len(must):
            thorough.set()
        if over.is_set():
            return
        await asyncio.sleep(fault.after_s)
        result.plan.tell(f"{len(result.under_faults)} turns asked: {fault}")
        result.outages.append(await faults.inflict(running, fault))
    thorough.set()


def _wanted(running: Stack, plan: Plan) -> tuple[list[Fault], Iterator[Fault]]:
    """The faults that must come, and those that may follow."""
    if plan.faults is not None:
        return plan.faults, iter(())
    dice, postgres = random.Random(plan.seed), running.server is not None
    must = faults.each_once(dice, running.replicas(), postgres)
    return must, faults.any_of(dice, running.replicas(), postgres)


async def _poison(running: Stack, plan: Plan, result: Result, over: asyncio.Event) -> None:
    """By the way that all go, so that a partition keeps poison away too."""
    async with poisoning(running, random.Random(f"{plan.seed}/poison"), result.poison) as put:
        while not over.is_set():
            await put()
            await asyncio.sleep(_POISON_EVERY_S)


@asynccontextmanager
async def poisoning(
    running: Stack, dice: random.Random, noted: list[Poison]
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What is yielded puts one event into a topic; it returns when the broker has it. Whoever is cancelled meanwhile
    has put it there all the same."""
    key_id, _ = Keys(running.processes.home / "keys.json").cipher("owner", create=True)
    bus = KafkaBus(running.broker.url)
    bus.declare(declared())
    await bus.start()

    async def put() -> None:
        noted.append(made(dice, key_id))
        await bus.relay(noted[-1].out())

    try:
        yield put
    finally:
        await bus.stop()


async def settle(running: Stack, result: Result) -> None:
    """Returns when every turn has ended and every short timer has gone off, or patience is over."""
    began = time.monotonic()
    running.heal()
    result.plan.tell(f"all {len(result.under_faults)} are asked; waiting for the ends of what is open")
    async with background(running.supervise()), reader(running) as log:
        await asyncio.sleep(_TIMER_S)
        while True:
            result.evidence = found = await log.look()
            if (not found.unended() and not found.open_turns) or time.monotonic() - began > SETTLE_S:
                break
            await asyncio.sleep(1.0)
        await asyncio.sleep(1.0)  # what is under way still: dead letters, lazy events
        await log.look()
    result.settle_s = time.monotonic() - began


def reader(running: Stack) -> Reader:
    server = running.server
    return Reader(running.broker.url, running.processes.home, str(server.url) if server is not None else "")


async def verdict(running: Stack, result: Result) -> None:
    """Judged while the broker and the services still run."""
    async with reader(running) as log:
        found = result.evidence = await log.look()
    result.restarts = running.restarts
    result.problems += running.problems
    result.problems += judge.judge(found)
    result.problems += judge.what_was_told_is_true(found, result.talkers)
    result.problems += judge.letters_are_explained(found, result.poison)
    catch_up(result)


def catch_up(result: Result) -> None:
    """Of each outage: how long after it was undone the last of the turns ended that were open then."""
    spans = []
    for turn in result.evidence.opened().values():
        ends = [f.ts_us for f in turn.of("completed")]
        began = min(f.ts_us for f in turn.facts)
        if ends:
            spans.append((began, min(ends)))
    for outage in result.outages:
        late = [end for began, end in spans if began <= outage.undone_us <= end]
        outage.catch_up_s = max((end - outage.undone_us for end in late), default=0) / 1e6
