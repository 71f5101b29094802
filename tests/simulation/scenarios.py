"""What happens to the stack: a random life full of faults by seed, then quiet until all is at rest."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from parlance.events import TOPICS
from services.gateway import device
from tests.simulation.client import Client
from tests.simulation.edges import ANSWER_US, scripted_providers
from tests.simulation.judge import Verdict, judge
from tests.simulation.loop import Life
from tests.simulation.nodes import Stack
from tests.simulation.run import Run
from tests.simulation.world import Faults, World

_TURNS = 20
# What is said, by how often.
SAYS = ("chat", "chat", "chat", "note", "note", "list", "timer", "hello", "look", "repeat")
_READ_BY = {"dialogue": ("session.v1", "intent.v1", "effect.v1"), "intent": ("session.v1", "speech.v1")}
# A spoken turn whose sound was lost ends a minute after it began; a timer that nobody hears after an hour.
_LONGEST_REST_S = 4000.0
_QUIET_S = 5.0


class Trouble:
    """Kills, freezes, replaces and restarts processes."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._world = stack, stack.world
        self._world.strike = self.strike

    def strike(self, life: Life) -> None:
        faults, x = self._world.faults, self._world.chance.random()
        if not life.alive or life.frozen:
            return
        if x < faults.kill:
            self._world.later(0, self.kill, life)
        elif x < faults.kill + faults.freeze:
            self._world.later(0, self.freeze, life)

    def kill(self, life: Life) -> None:
        if life.alive:
            self._world.kill(life)
            self._world.later(self._world.delay(1.5, 0.005), self._restart, life)

    def freeze(self, life: Life) -> None:
        if not life.alive or life.frozen:
            return
        life.frozen = True
        self._world.later(self._world.delay(3.0, 0.01), self._thaw, life)
        if life.name == "dialogue" and self._world.happens(0.6):
            self._world.later(self._world.delay(0.5, 0.02), self._replace, life)

    def _replace(self, life: Life) -> None:
        """The frozen owner is taken for dead."""
        if self._stack.lives[life.name] is life and life.alive and life.frozen:
            self._stack.start(life.name)

    def _thaw(self, life: Life) -> None:
        self._world.loop.thaw(life)
        if self._stack.lives[life.name] is not life:  # an owner that wakes up after it was replaced
            self._world.later(self._world.delay(1.0, 0.01), self.kill, life)

    def _restart(self, life: Life) -> None:
        if self._stack.lives[life.name] is life:
            self._stack.start(life.name)

    def heal(self) -> None:
        self._world.faulty = False
        for life in list(self._world.lives):
            if life.alive and life.frozen:
                self._thaw(life)
            elif self._stack.lives[life.name] is not life:
                self.kill(life)


Script = Callable[[Run], Coroutine[Any, Any, Verdict]]


def judged(seed: int, faults: Faults | None = None) -> tuple[Run, Verdict]:
    """A random life: each process on its own, or all in one."""
    world = World(seed, faults or Faults())
    return played(Run(world, Stack(world, embedded=world.chance.random() < 0.4)), _random_life)


def played(run: Run, script: Script) -> tuple[Run, Verdict]:
    """The script in the run's world, and what is to be said of it."""
    limits = device.ANSWER_US, device.HEAR_US
    try:
        with scripted_providers():
            return run, run.world.run(script(run))
    finally:
        device.ANSWER_US, device.HEAR_US = limits


async def _random_life(run: Run) -> Verdict:
    chance, stack = run.world.chance, run.stack
    trouble = Trouble(stack)
    for name in stack.mains:
        stack.start(name)
    run.clients = [Client(stack, s, d) for s, d in (("s0", "d0"), ("s0", "d1"), ("s1", "d2"), ("s2", "d3"))]
    for client in run.clients:
        client.connect()
    await asyncio.sleep(0.5)
    gap = chance.choice((0.05, 0.2, 0.5))
    for n in range(_TURNS):
        _begin(run, n)
        await asyncio.sleep(run.world.delay(4 * gap))
    await asyncio.sleep(chance.choice((0.1, 0.5, 2.0)))
    trouble.heal()
    await rest(run)
    return await judge(run)


def _begin(run: Run, n: int) -> None:
    chance, world = run.world.chance, run.world
    client = chance.choice(run.clients)
    what = chance.choice(SAYS)
    text = f"{what} {chance.randint(1, 3) if what == 'timer' else f'n{n}'}"
    device.ANSWER_US = chance.choice((60_000, 300_000, ANSWER_US, ANSWER_US))
    device.HEAR_US = chance.choice((500_000, 60_000_000, 60_000_000))
    if chance.random() < 0.4:
        client.speak("-" if chance.random() < 0.1 else text)
    else:
        client.say(text)
    if chance.random() < 0.3:
        world.later(chance.random() * chance.choice((0.05, 0.3, 1.0)), client.interrupt)
    if chance.random() < 0.07:
        world.later(chance.random(), client.vanish)


async def rest(run: Run) -> None:
    """Until nothing is left to be done, and nothing has happened for a while."""
    loop = run.world.loop
    end, quiet_since, known = loop.time() + _LONGEST_REST_S, loop.time(), -1
    while loop.time() - quiet_since < _QUIET_S:
        await asyncio.sleep(0.5)
        size = sum(map(len, run.world.log.values()))
        if size != known or not at_rest(run.world):
            quiet_since, known = loop.time(), size
        if loop.time() > end:
            run.problems.append("the world does not come to rest")
            break
    run.problems += run.stack.broken


def at_rest(world: World) -> bool:
    open_rows = any(due is not None for (stage, _), (_, due, _) in world.rows.items() if stage == "dialogue")
    timers = world.db.execute("SELECT count(*) FROM actions_row WHERE due_us > 0").fetchone()[0]
    return not open_rows and not timers and all(_read_to_end(world, group) for group in _READ_BY)


def _read_to_end(world: World, group: str) -> bool:
    places: list[Any] = [(t, p) for t in _READ_BY[group] for p in range(TOPICS[t].partitions)]
    return all(world.committed.get((group, *place), 0) >= len(world.log[place]) for place in places)
