"""What a typed chat turn over Kafka costs when all models take 0 ms: from the text at the gateway to the first clause.

python -m benchmarks.kafka_turn [--rounds N] [--turns N]

All services in one process, as `PARLANCE_BUS=kafka://... make run` has them (rows and outbox in SQLite). Beside it,
interleaved in one run on the same broker: the floor (benchmarks/kafka_floor.py). The broker is one of Maven's or
Docker's, made for this run; it shares the machine with what is measured.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.kafka_floor import HOPS, Floor
from benchmarks.report import p50, p99, verdict
from benchmarks.stack import Pieces, Setup, built, running
from benchmarks.typing_device import TypingDevice
from parlance.bus_kafka import KafkaBus
from parlance.bus_outbox import OutboxBus
from parlance.events import declared
from parlance.kafka_address import parse
from parlance.kafka_topics import Topics
from parlance.store_sqlite import SqliteStore
from tests import kafka_broker

IN_FLIGHT = 32
# What follows a turn (what was heard, the ledger's usage) is not part of the next one.
_REST_S = 0.03

Once = Callable[[int], Awaitable[float]]


@dataclass(slots=True)
class Round:
    """One block one after the other (ms each), and one of many at once."""

    took: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    per_s: float = 0.0


async def _round(once: Once, turns: int) -> Round:
    made = Round()
    for _ in range(turns):
        made.took.append(await once(0))
        await asyncio.sleep(_REST_S)
    each = max(2, turns // 4)
    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for n in range(IN_FLIGHT):
            group.create_task(_repeatedly(once, n + 1, each))
    made.cpu_ms = (time.process_time() - cpu) / (each * IN_FLIGHT) * 1000
    made.per_s = each * IN_FLIGHT / (time.perf_counter() - wall)
    return made


async def _repeatedly(once: Once, n: int, times: int) -> None:
    for _ in range(times):
        await once(n)


async def _whole(stack: AsyncExitStack, url: str, home: Path) -> Once:
    outbox = OutboxBus(home / "rows.db", KafkaBus(url))
    pieces: Pieces = await stack.enter_async_context(
        built(home, Setup(), store=lambda bus: SqliteStore(bus.rows), bus=outbox)
    )
    await stack.enter_async_context(running(pieces))
    devices = [TypingDevice(pieces.gateway, f"session-{n}") for n in range(1 + IN_FLIGHT)]
    for device in devices:
        await stack.enter_async_context(device)

    async def once(n: int) -> float:
        return (await devices[n].ask("how are you today")).first_clause_ms

    return once


async def measure(url: str, rounds: int, turns: int) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {"whole": [], "floor": []}
    async with Topics(parse(url)) as topics:
        await topics.create([*declared(), *HOPS])
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        floor = await stack.enter_async_context(Floor(parse(url), home))
        forms = {"whole": await _whole(stack, url, home), "floor": lambda n: floor.once(f"session-{n}")}
        for n in range(rounds + 1):
            for name, once in forms.items():
                made = await _round(once, turns)
                if n:  # the first round warms up
                    found[name].append(made)
    return found


def numbers(found: dict[str, list[Round]]) -> dict[str, Any]:
    """Medians over the rounds; ratios are of rounds that ran side by side."""
    forms = {
        name: {
            "first_clause_p50_ms": p50([p50(r.took) for r in rounds]),
            "first_clause_p99_ms": p50([p99(r.took) for r in rounds]),
            "cpu_ms": p50([r.cpu_ms for r in rounds]),
            "per_s": p50([r.per_s for r in rounds]),
            "per_cpu_s": p50([1000 / r.cpu_ms for r in rounds]),
        }
        for name, rounds in found.items()
    }
    pairs = list(zip(found["whole"], found["floor"], strict=True))
    return {
        "rounds": len(pairs),
        "turns_a_round": len(found["whole"][0].took),
        "forms": forms,
        "p50_over_floor": p50([p50(a.took) / p50(b.took) for a, b in pairs]),
        "p99_over_floor": p50([p99(a.took) / p99(b.took) for a, b in pairs]),
    }


def show(told: dict[str, Any]) -> None:
    columns = ("", "first clause p50", "p99", "CPU-ms a turn", "a second, 32 in flight", "by CPU second")
    rows = [[name, *form.values()] for name, form in told["forms"].items()]
    report.table("A typed chat turn over Kafka, all models at 0 ms (ms); the floor: three hops", columns, rows)
    whole = told["forms"]["whole"]
    goals = [
        ("p50 / floor", told["p50_over_floor"], 1.5),
        ("p99 / floor", told["p99_over_floor"], 2.0),
        ("CPU-ms a turn", whole["cpu_ms"], 3.3),
    ]
    checked = [[name, value, f"<= {goal}", verdict(value, goal)] for name, value, goal in goals]
    checked.append(
        ["turns by CPU second", whole["per_cpu_s"], ">= 300", verdict(whole["per_cpu_s"], 300, at_least=True)]
    )
    report.table("Goals", ("", "measured", "goal", ""), checked)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--turns", type=int, default=60, help="a round")
    given = arguments.parse_args()
    if not kafka_broker.kind():
        print("kafka_turn needs a Kafka broker: Docker, or Java and Maven; left out")
        return
    with tempfile.TemporaryDirectory() as folder, kafka_broker.own(Path(folder) / "broker") as url:
        told = numbers(uvloop.run(measure(url, given.rounds, given.turns)))
    show(told)
    report.save("kafka_turn", told)


if __name__ == "__main__":
    main()
