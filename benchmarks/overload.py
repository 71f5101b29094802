"""Overload: three times what the platform can take. Goodput against the peak, and how soon a refusal is told.

python -m benchmarks.overload [--seconds N] [--rounds N] [--cpu]

`parlance run` on a core of its own, the generator (load_worker, open loop) on another one. What is scarce is a language
model that answers 8 questions at once (infra/emulators/model.py, on the generator's core), the voice is `tone:`; with
--cpu it is the core itself, with all default models and the default voice. The peak of what it answers is looked for
first, beside the same generator; then rounds in which as much is asked and in which three times that is alternate.
Goodput is what begins to be answered in a second, with its first sound within five seconds of the intended moment.
"""

import argparse
import asyncio
import os
import random
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.process import Platform
from benchmarks.report import p50, p99, verdict
from infra.emulators import settings
from infra.emulators.model import Model
from parlance import ids
from parlance.client import Client
from parlance.load_job import Row
from parlance.load_questions import question
from parlance.load_result import Result
from parlance.load_run import Plan, Run
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import SetRouteRequest
from parlance.v1.replay_pb2 import ReplayTurn

TALKERS, IN_TIME_MS, TIMES = 300, 5000.0, 3
# In which the talkers open their conversations and the door learns how long things take: it counts for nothing.
WARM_S = 3.0
GOODPUT = 0.9
SLOTS, ANSWER_S = 8, 0.25
# A whole answer is one write, so the server takes next to nothing of the generator's core.
_MODEL = {"slots": SLOTS, "first_delay_s": ANSWER_S, "chunk_delay_s": 0, "answers": [{"text": "Well done. Look here."}]}
# What is asked where the core is scarce: no chat, for without a language model that ends at once.
_INTENTS = ("time.now", "date.today", "calc.evaluate", "unit.convert", "list.add", "list.show", "note.add")
_FIRST_RATE, _GROWTH, _ALMOST = 5.0, 1.4, 0.97


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of whom. `seconds` of each round."""

    address: str
    seconds: float
    cpu: bool

    def questions(self, rate: float) -> list[ReplayTurn]:
        """A Poisson process; the talkers take turns."""
        chance = random.Random(int(rate * 1000))
        made, at = [], 0.0
        while at < self.seconds:
            text = question(chance.choice(_INTENTS) if self.cpu else "chat", lambda known: chance.choice(known))
            made.append(ReplayTurn(at_us=int(at * 1e6), session=f"talker-{len(made) % TALKERS:04d}", text=text))
            at += chance.expovariate(rate)
        return made

    async def run(self, rate: float) -> list[Row]:
        turns = self.questions(rate)
        result = Result({"run": ids.new(), "turns": len(turns)})
        await Run(Plan(self.address, result.facts["run"], 1.0, 1, sound=True), result, lambda now: None).go(turns)
        return result.rows

    async def route(self, model_url: str) -> None:
        """The scarce model and a voice that costs next to nothing."""
        llm = RouteSet(stage="llm", target="compatible:emulated", settings={"base_url": model_url})
        async with Client(self.address) as client:
            for route in (llm, RouteSet(stage="tts", target="tone:")):
                await client.ask("SetRoute", SetRouteRequest(route=route))


def goodput(rows: list[Row], seconds: float) -> float:
    """A second, of the answers that began after the warm-up and while questions still came: what is answered from a
    queue afterwards, when nobody asks any more, is no rate that could be kept up."""
    begun = (row for row in rows if row.first is not None and 1000.0 * WARM_S <= row.first < seconds * 1000)
    return sum(map(_good, begun)) / (seconds - WARM_S)


def _good(row: Row) -> bool:
    return row.outcome == "answered" and row.first is not None and row.first - row.due <= IN_TIME_MS


async def peak(load: Load) -> tuple[float, float]:
    """The capacity: the best goodput, whatever is offered; and the lowest rate offered at which it is (almost) that."""
    found: dict[float, float] = {}
    rate = _FIRST_RATE
    while len(found) < 3 or max(list(found.values())[-2:]) > 1.02 * max(list(found.values())[:-2]):
        found[rate] = goodput(await load.run(rate), load.seconds)
        print(f"  offered {rate:6.1f} a second: {found[rate]:6.1f} answered in time", flush=True)
        rate *= _GROWTH
    best = max(found.values())
    return next(offered for offered, good in found.items() if good >= _ALMOST * best), best


async def measure(seconds: float, rounds: int, cpu: bool) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    model = Model(settings.made(_MODEL))
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder) / "home")
        os.sched_setaffinity(0, cores[:1])  # what is started now keeps to this core
        try:
            platform.start()
            os.sched_setaffinity(0, cores[1:2] or cores)
            load = Load(platform.address, seconds, cpu)
            async with model.serving():
                if not cpu:
                    await load.route(model.url)
                await load.run(_FIRST_RATE)
                rate, capacity = await peak(load)
                told = await _rounds(load, rate, TIMES * capacity, rounds)
        finally:
            os.sched_setaffinity(0, cores)
            with suppress(ProcessLookupError):
                platform.end()
    scarce = "the core" if cpu else f"a model of {SLOTS / ANSWER_S:g} answers a second"
    return {"scarce": scarce, "peak_rate_per_s": rate, "capacity_per_s": capacity, "cores": len(cores), **told}


async def _rounds(load: Load, rate: float, too_much: float, rounds: int) -> dict[str, Any]:
    at_peak, overload, rows = [], [], []
    for _ in range(rounds):
        at_peak.append(goodput(await load.run(rate), load.seconds))
        found = await load.run(too_much)
        overload.append(goodput(found, load.seconds))
        rows += found
    refused = [row for row in rows if row.outcome == "refused" and row.ended is not None and row.sent is not None]
    return {
        "peak_per_s": p50(at_peak),
        "overload_per_s": p50(overload),
        "ratio": p50(overload) / p50(at_peak),
        "ratios": [b / a for a, b in zip(at_peak, overload, strict=True)],
        "offered": len(rows),
        "outcomes": {name: sum(r.outcome == name for r in rows) for name in sorted({r.outcome for r in rows})},
        "answered_first_sound_ms": _spread([r.first - r.due for r in rows if r.outcome == "answered" and r.first]),
        "refusal_ms": _spread([r.ended - r.sent for r in refused if r.ended and r.sent]),
        "refusal_from_due_ms": _spread([r.ended - r.due for r in refused if r.ended]),
        "send_error_ms": _spread([row.sent - row.free for row in rows if row.sent is not None]),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"p50": p50(values), "p99": p99(values), "max": max(values)} if values else {}


def show(told: dict[str, Any]) -> None:
    def row(name: str, of: str) -> list[object]:
        return [name, *(told[of].get(f, "") for f in ("p50", "p99")), ""]

    rows: list[list[object]] = [
        ["goodput at the peak, a second", told["peak_per_s"], "", ""],
        [f"goodput at {TIMES} times the capacity", told["overload_per_s"], "", ""],
        ["  of the peak", told["ratio"], f">= {GOODPUT}", verdict(told["ratio"], GOODPUT, at_least=True)],
        row("first sound of those answered, ms (p50, p99)", "answered_first_sound_ms"),
        row("refusal told after it was sent, ms", "refusal_ms"),
        row("refusal told after it was due, ms", "refusal_from_due_ms"),
        row("sent late by the generator, ms", "send_error_ms"),
    ]
    report.table(f"overload, scarce is {told['scarce']}: {told['outcomes']}", ("", "measured", "goal", ""), rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=12.0, help="of each round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--cpu", action="store_true", help="the core is scarce, with all default models")
    given = arguments.parse_args()
    told = asyncio.run(measure(given.seconds, given.rounds, given.cpu))
    show(told)
    report.save("overload_cpu" if given.cpu else "overload", told)


if __name__ == "__main__":
    main()
