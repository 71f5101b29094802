"""A turn for every point at which the process that handles it may die; after each: one end, its effect once.

python -m tests.chaos.kill_points            all points of dialogue and actions
"""

import argparse
import asyncio
import itertools
import logging
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.evidence import Evidence, Reader
from tests.chaos.judge import judge
from tests.chaos.run import background, reader
from tests.chaos.stack import Stack, stack
from tests.chaos.talkers import Talker

_END_S = 60.0
_RELAYED_S = 12.0
_TIMER = "set a timer for 1 second"
# No turn has so many points.
_MOST = 1000


@dataclass
class Point:
    """`name`: where it died; "" where it lived."""

    service: str
    at: int
    name: str
    outcome: str
    seconds: float
    problems: list[str] = field(default_factory=list)


class Walk:
    """Of one service: whenever its process dies, the next one is started, which dies at the next point."""

    def __init__(self, running: Stack, log: Reader, service: str, text: str) -> None:
        self._running, self._log, self._service, self._text = running, log, service, text

    async def start(self, at: int) -> None:
        """The process that lives until the session of this point asks something."""
        words = ("-m", "tests.chaos.dying", f"services.{self._service}", "--at", str(at))
        file = str(self._file(at))
        await self._running.restart(self._service, (*words, "--session", self._session(at), "--file", file))

    async def die(self, at: int, following: int) -> Point:
        """One turn, whose process dies at point `at` and is followed by one that dies at `following`."""
        began = time.monotonic()
        talker = Talker(self._running.processes.addresses["gateway"], self._session(at))
        async with background(talker.run()), asyncio.TaskGroup() as group:
            await talker.ready()
            starting = group.create_task(self._follow(following))
            asked = await talker.ask(self._text.format(n=at))
            await asyncio.sleep(2.5 if self._text == _TIMER else 0.5)
            point = Point(self._service, at, "", asked.outcome or "no end", time.monotonic() - began)
            if self._file(at).exists():
                await starting
                await _until_ended(self._log)
                point.name = self._file(at).read_text()
            starting.cancel()
        point.problems += [] if asked.over else asked.problems
        return point

    async def _follow(self, at: int) -> None:
        process = self._running.processes[self._service]
        while process.runs:
            await asyncio.sleep(0.02)
        await self.start(at)

    def _session(self, at: int) -> str:
        return f"dying-{self._service}-{at}-{len(self._text)}"

    def _file(self, at: int) -> Path:
        return self._running.processes.folder / f"{self._session(at)}.point"


async def _until_ended(log: Reader) -> Evidence:
    until = time.monotonic() + _END_S
    while True:
        found = await log.look()
        if (not found.unended() and not found.open_turns) or time.monotonic() > until:
            return found
        await asyncio.sleep(0.2)


async def walk(running: Stack, service: str, text: str, points: list[int] | None = None) -> list[Point]:
    """`points`: these alone; None: from the first on, until the process lives. `text` holds {n}."""
    made: list[Point] = []
    todo = points or list(range(1, _MOST))
    async with reader(running) as log:
        way = Walk(running, log, service, text)
        await asyncio.to_thread(running.processes[service].end)
        await way.start(todo[0])
        for at, following in itertools.pairwise([*todo, _MOST]):
            made.append(point := await way.die(at, following))
            print(f"{service} {at:3}: {point.name or 'lived'}: {point.outcome}, {point.seconds:.1f} s", flush=True)
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


async def _all() -> int:
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with stack(Path(folder), {}) as running:
            for service, text in (
                ("dialogue", "put item{n} on my shopping list"),
                ("actions", "take a note saying thing{n}"),
                ("actions", _TIMER),
            ):
                made = await walk(running, service, text)
                problems += [f"{p.service} {p.at} ({p.name}): {problem}" for p in made for problem in p.problems]
                print(f"{service}: {len(made) - 1} points")
            problems += await judged(running)
    print("\n".join([*(f"BROKEN: {problem}" for problem in problems), f"{len(problems)} problems"]))
    return 1 if problems else 0


def main() -> int:
    argparse.ArgumentParser(prog="python -m tests.chaos.kill_points", description=__doc__).parse_args()
    logging.disable(logging.WARNING)
    return asyncio.run(_all())


if __name__ == "__main__":
    sys.exit(main())
