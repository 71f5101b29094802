"""A turn for every point at which the process that handles it may die; after each: one end, its effect once.

python -m tests.chaos.kill_points               all points of each way in WAYS
python -m tests.chaos.kill_points --ways fired   of one of them
"""

import argparse
import asyncio
import itertools
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.evidence import Evidence, Reader
from tests.chaos.judge import judge, timers_go_off_once
from tests.chaos.run import background, reader
from tests.chaos.stack import Stack, stack
from tests.chaos.talkers import Talker

_END_S = 60.0
_RELAYED_S = 12.0
# So long after a turn has ended its process may still do something for it: write its offset, forget its outbox.
_AFTER_S = 0.5
# No turn has so many points.
_MOST = 1000
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Way:
    """Through a service, of a turn that says `text`, which may hold {n}. `since`: the kind of the event from which on
    the points are counted; "": from the first event or call on."""

    service: str
    text: str
    since: str = ""


WAYS = {
    "dialogue": Way("dialogue", "put item{n} on my shopping list"),
    "actions": Way("actions", "take a note saying thing{n}"),
    "timer": Way("actions", "set a timer for 1 second"),
    "fired": Way("dialogue", "set a timer for 1 second", since="fired"),
    "intent": Way("intent", "put item{n} on my shopping list"),
}


@dataclass
class Point:
    """`name`: where it died; "" where it lived."""

    way: Way
    at: int
    name: str
    outcome: str
    seconds: float
    problems: list[str] = field(default_factory=list)


class Walk:
    """Of one service: whenever its process dies, the next one is started, which dies at the next point."""

    def __init__(self, running: Stack, log: Reader, way: Way) -> None:
        self._running, self._log, self._way = running, log, way

    async def start(self, at: int) -> None:
        """The process that lives until the session of this point asks something."""
        words = ["-m", "tests.chaos.dying", f"services.{self._way.service}", "--at", str(at)]
        words += ["--session", self._session(at), "--file", str(self._file(at)), "--since", self._way.since]
        await self._running.restart(self._way.service, tuple(words))

    async def die(self, at: int, following: int) -> Point:
        """One turn, whose process dies at point `at` and is followed by one that dies at `following`."""
        began = time.monotonic()
        talker = Talker(self._running.processes.addresses["gateway"], self._session(at))
        async with background(talker.run()), asyncio.TaskGroup() as group:
            await talker.ready()
            starting = group.create_task(self._follow(following))
            asked = await talker.ask(self._way.text.format(n=next(_numbers)))
            point = Point(self._way, at, "", asked.outcome or "no end", time.monotonic() - began)
            await _until_ended(self._log, self._file(at).exists)
            await asyncio.sleep(_AFTER_S)
            if self._file(at).exists():
                await starting
                await _until_ended(self._log)
                point.name = self._file(at).read_text()
            starting.cancel()
        point.problems += [] if asked.over else asked.problems
        return point

    async def _follow(self, at: int) -> None:
        process = self._running.processes[self._way.service]
        while process.runs:
            await asyncio.sleep(0.02)
        await self.start(at)

    def _session(self, at: int) -> str:
        return f"dying-{self._way.service}-{at}-{self._way.since or len(self._way.text)}"

    def _file(self, at: int) -> Path:
        return self._running.processes.folder / f"{self._session(at)}.point"


async def _until_ended(log: Reader, or_else: Callable[[], bool] = bool) -> Evidence:
    """Until all turns have ended and all timers have gone off, or patience is over, or `or_else`. A timer that has gone
    off may be on its way out of the outbox still."""
    until = time.monotonic() + _END_S
    while True:
        found = await log.look()
        if not found.unended() and not found.open_turns and not found.timers and not any(timers_go_off_once(found)):
            return found
        if time.monotonic() > until or or_else():
            return found
        await asyncio.sleep(0.2)


async def walk(running: Stack, way: Way, points: list[int] | None = None) -> list[Point]:
    """`points`: these alone; None: from the first on, until the process lives."""
    made: list[Point] = []
    todo = points or list(range(1, _MOST))
    async with reader(running) as log:
        walking = Walk(running, log, way)
        await asyncio.to_thread(running.processes[way.service].end)
        await walking.start(todo[0])
        for at, following in itertools.pairwise([*todo, _MOST]):
            made.append(point := await walking.die(at, following))
            told = f"{point.name or 'lived'}: {point.outcome}, {point.seconds:.1f} s"
            print(f"{way.service} {at:3}: {told}", flush=True)
            if not point.name:
                break
    return made


async def judged(running: Stack) -> list[str]:
    """Of all turns so far, once what a dead process left in its outbox has been relayed: a sweep takes what is older
    than five seconds, every two."""
    async with reader(running) as log:
        until = time.monotonic() + _RELAYED_S
        while (found := judge(await _until_ended(log))) and time.monotonic() < until:
            await asyncio.sleep(0.5)
        return found


async def _all(names: list[str]) -> int:
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with stack(Path(folder), {}) as running:
            for name in names:
                made = await walk(running, WAYS[name])
                problems += [f"{name} {p.at} ({p.name}): {problem}" for p in made for problem in p.problems]
                problems += [] if len(made) > 1 and not made[-1].name else [f"{name}: its end was not reached"]
                print(f"{name}: {len(made) - 1} points", flush=True)
                # Whoever follows on the next way does not die.
                await asyncio.to_thread(running.processes[WAYS[name].service].end)
                await running.restart(WAYS[name].service)
            problems += await judged(running)
    print("\n".join([*(f"BROKEN: {problem}" for problem in problems), f"{len(problems)} problems"]))
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill_points", description=__doc__)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    words = parser.parse_args()
    logging.disable(logging.WARNING)
    return asyncio.run(_all(words.ways))


if __name__ == "__main__":
    sys.exit(main())
