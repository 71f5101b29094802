"""A rolling restart: one process after the other ends as an orchestrator ends it, and is back before the next."""

import asyncio
import itertools
import random
import time
from pathlib import Path

from parlance.events import kind
from parlance.process import PATIENCE_S
from tests.chaos.run import Result, background
from tests.chaos.stack import Stack
from tests.chaos.talkers import Talker, questions

_END_S = 40.0
_AROUND_US = 3_000_000
# Short timers are heard in the same sessions, and their turns silence others: here nothing else cuts a turn.
_NOT_ASKED = "set a timer for 3 seconds"


async def roll(running: Stack, name: str, root: Path | None = None) -> float:
    """`root`: the checkout that it comes back from. The seconds that it was away."""
    process = running.processes[name]
    running.touched.add(name)
    began = time.monotonic()
    code = await asyncio.to_thread(process.end, _END_S)
    if code:
        running.problems.append(f"{name} ended with {code}: {process.log[-600:]}")
    process.root = root or process.root
    await running.restart(name)
    running.touched.discard(name)
    return time.monotonic() - began


async def under_load(running: Stack, talkers: list[Talker], rolls: list[tuple[str, Path | None]]) -> dict[str, float]:
    """Everybody asks, again and again, until the last process is back. How long each was away, seconds."""
    over, away = asyncio.Event(), dict[str, float]()
    numbers = itertools.count(1)

    async def talk(talker: Talker) -> None:
        dice = random.Random(talker.session)
        for text in questions(dice, talker.voiced):
            if over.is_set():
                return
            if text != _NOT_ASKED:
                await talker.ask(text.format(n=next(numbers)))
                await asyncio.sleep(dice.uniform(0.1, 0.6))

    async with background(running.supervise()), asyncio.TaskGroup() as group:
        for talker in talkers:
            group.create_task(talk(talker))
        try:
            for name, root in rolls:
                away[name] = await roll(running, name, root)
                turns = sum(len(t.asked) for t in talkers)
                print(f"{name} was away for {away[name]:.1f} s; {turns} turns so far", flush=True)
        finally:
            over.set()
    return away


def failed(running: Stack, talkers: list[Talker], away: dict[str, float]) -> list[str]:
    """What was asked and not answered. A service of which there is one (its rows are a file) is waited for, but no
    longer than PATIENCE_S: on a machine where it takes longer to begin, what needed it in that time does not count."""
    alone = [running.processes[n].address for n, s in away.items() if s > PATIENCE_S and _is_alone(running, n)]
    alone += [f"127.0.0.1:{running.rpc[int(address.rpartition(':')[2])].port}" for address in alone]
    found = []
    for asked in (a for t in talkers for a in t.asked if a.outcome != "answered"):
        told = "; ".join(asked.problems)
        line = f"'{asked.text}' of {asked.session} ({asked.turn_id[:8]}): {asked.outcome or 'no end'}: {told}"
        if any(f"nothing answers at {address}" in told for address in alone):
            print(f"not counted: {line}")
        else:
            found.append(line)
    return found


def story(result: Result) -> str:
    """What the log has of the sessions in which a turn was not answered, around it: for whoever looks for the cause."""
    lines = []
    facts = [fact for turn in result.evidence.turns.values() for fact in turn.facts]
    for asked in (a for t in result.talkers for a in t.asked if a.outcome != "answered"):
        own = [f.ts_us for f in facts if f.event.header.turn_id == asked.turn_id]
        if not own:
            continue
        first, last = min(own) - _AROUND_US, max(own) + _AROUND_US
        near = [f for f in facts if f.event.header.session_id == asked.session and first < f.ts_us < last]
        for fact in sorted(near, key=lambda f: f.ts_us):
            name, header = kind(fact.event), fact.event.header
            body = " ".join(str(getattr(fact.event, name)).split())[:120]
            at = (fact.ts_us - first) / 1e6
            lines.append(
                f"{at:7.3f} {header.turn_id[:8]} {name} of {header.device_id[:8]} to {header.reply_partition}: {body}"
            )
    return "\n".join(lines)


def _is_alone(running: Stack, name: str) -> bool:
    service = running.processes[name].service
    return sum(p.service == service for p in running.processes.all.values()) == 1
