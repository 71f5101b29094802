"""Overload: three times what the platform can take. Goodput against the peak, and how soon a refusal is told.

python -m benchmarks.overload [--seconds N] [--rounds N] [--mute]

`parlance run` with all default models on a core of its own, the generator (load_worker, open loop) on another one. The
peak is looked for first, beside the same generator; then rounds of peak and three times the peak alternate. Goodput is
what was answered with its first word within two seconds of the intended moment, a second.
"""

import argparse
import asyncio
import os
import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.process import Platform
from benchmarks.report import p50, p99, verdict
from parlance import ids
from parlance.load_job import Row
from parlance.load_questions import question
from parlance.load_result import Result
from parlance.load_run import Plan, Run
from parlance.v1.replay_pb2 import ReplayTurn

TALKERS, IN_TIME_MS, TIMES = 600, 2000.0, 3
GOODPUT = 0.9
# No chat: without a language model it ends at once; what is asked costs what it costs in everyday use.
_INTENTS = ("time.now", "date.today", "calc.evaluate", "unit.convert", "list.add", "list.show", "note.add")
_FIRST_RATE, _GROWTH = 4.0, 1.3


def questions(rate: float, seconds: float, seed: int) -> list[ReplayTurn]:
    """A Poisson process; the talkers take turns."""
    chance = random.Random(seed)
    made, at = [], 0.0
    while at < seconds:
        text = question(chance.choice(_INTENTS), lambda known: chance.choice(known))
        made.append(ReplayTurn(at_us=int(at * 1e6), session=f"talker-{len(made) % TALKERS:04d}", text=text))
        at += chance.expovariate(rate)
    return made


async def load(address: str, rate: float, seconds: float, sound: bool) -> Result:
    turns = questions(rate, seconds, int(rate * 1000))
    result = Result({"run": ids.new(), "turns": len(turns)})
    await Run(Plan(address, result.facts["run"], 1.0, 1, sound), result, lambda now: None).go(turns)
    return result


def goodput(rows: list[Row], seconds: float) -> float:
    """After the first second, in which nobody knows yet how much there is to do."""
    return sum(_good(row) for row in rows if 1000.0 <= row.due < seconds * 1000) / (seconds - 1)


def _good(row: Row) -> bool:
    return row.outcome == "answered" and row.first is not None and row.first - row.due <= IN_TIME_MS


async def peak(address: str, seconds: float, sound: bool) -> float:
    """The offered rate at which goodput is highest: more and more is offered until it grows no more."""
    best, best_rate, rate = 0.0, 0.0, _FIRST_RATE
    while True:
        found = goodput((await load(address, rate, seconds, sound)).rows, seconds)
        print(f"  offered {rate:6.1f} a second: {found:6.1f} answered in time", flush=True)
        if found > best * 1.02:
            best, best_rate = found, rate
        elif rate > best_rate * _GROWTH * 1.01:
            return best_rate
        rate *= _GROWTH


async def measure(seconds: float, rounds: int, sound: bool) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder) / "home")
        os.sched_setaffinity(0, cores[:1])  # what is started now keeps to this core
        try:
            platform.start()
            os.sched_setaffinity(0, cores[1:2] or cores)
            await load(platform.address, 10.0, 3.0, sound)
            rate = await peak(platform.address, seconds, sound)
            told = await _rounds(platform.address, rate, (seconds, rounds), sound)
        finally:
            os.sched_setaffinity(0, cores)
            with suppress(ProcessLookupError):
                platform.end()
    return {"peak_rate_per_s": rate, "sound": sound, "cores": len(cores), **told}


async def _rounds(address: str, rate: float, size: tuple[float, int], sound: bool) -> dict[str, Any]:
    seconds, rounds = size
    at_peak, overload, rows = [], [], []
    for _ in range(rounds):
        at_peak.append(goodput((await load(address, rate, seconds, sound)).rows, seconds))
        found = (await load(address, TIMES * rate, seconds, sound)).rows
        overload.append(goodput(found, seconds))
        rows += found
    refused = [row for row in rows if row.outcome == "refused" and row.ended is not None and row.sent is not None]
    return {
        "peak_per_s": p50(at_peak),
        "overload_per_s": p50(overload),
        "ratio": p50(overload) / p50(at_peak),
        "ratios": [b / a for a, b in zip(at_peak, overload, strict=True)],
        "offered": len(rows),
        "outcomes": {name: sum(r.outcome == name for r in rows) for name in sorted({r.outcome for r in rows})},
        "answered_first_word_ms": _spread([r.first - r.due for r in rows if r.outcome == "answered" and r.first]),
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
        [f"goodput at {TIMES} times that", told["overload_per_s"], "", ""],
        ["  of the peak", told["ratio"], f">= {GOODPUT}", verdict(told["ratio"], GOODPUT, at_least=True)],
        row("first word of those answered, ms (p50, p99)", "answered_first_word_ms"),
        row("refusal told after it was sent, ms", "refusal_ms"),
        row("refusal told after it was due, ms", "refusal_from_due_ms"),
        row("sent late by the generator, ms", "send_error_ms"),
    ]
    report.table(f"overload: {told['outcomes']}", ("", "measured", "goal", ""), rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=10.0, help="of each round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--mute", action="store_true", help="replies in words alone, without a voice")
    given = arguments.parse_args()
    told = asyncio.run(measure(given.seconds, given.rounds, not given.mute))
    show(told)
    report.save("overload_mute" if given.mute else "overload", told)


if __name__ == "__main__":
    main()
