"""What a typed chat turn over Kafka costs when all models take 0 ms: from the text at the gateway to the first clause.

python -m benchmarks.kafka_turn [--rounds N] [--turns N] [--client aiokafka|librdkafka]

All services in one process, as `PARLANCE_BUS=kafka://... make run` has them (rows and outbox in SQLite). Beside it,
interleaved in one run on the same broker: the floor (benchmarks/kafka_floor.py), and both of them with librdkafka
(bus_kafka_rd, benchmarks/kafka_floor_rd.py). The broker is one of Maven's or
Docker's, made for this run; it shares the machine with what is measured.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.kafka_floor import HOPS, Floor
from benchmarks.kafka_floor_rd import RD_HOPS, RdFloor
from benchmarks.report import p50, p99, verdict
from benchmarks.stack import Pieces, Setup, built, running
from benchmarks.typing_device import TypingDevice
from parlance.bus_kafka import KafkaBus
from parlance.bus_kafka_rd import RdKafkaBus
from parlance.bus_outbox import OutboxBus
from parlance.events import TopicInfo, declared
from parlance.kafka_address import parse
from parlance.kafka_topics import Topics
from parlance.store_sqlite import SqliteStore
from tests import kafka_broker

IN_FLIGHT = 32
# What follows a turn (what was heard, the ledger's usage) is not part of the next one.
REST_S = 0.03

Once = Callable[[int], Awaitable[float]]


@dataclass(slots=True)
class Round:
    """One block one after the other (ms each), and one of many at once."""

    took: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    per_s: float = 0.0


Found = dict[str, dict[str, list[Round]]]


async def _round(once: Once, turns: int) -> Round:
    made = Round()
    for _ in range(turns):
        made.took.append(await once(0))
        await asyncio.sleep(REST_S)
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


async def whole(stack: AsyncExitStack, log: KafkaBus, home: Path, count: int) -> list[TypingDevice]:
    """Devices of all services in this process, over this log."""
    outbox = OutboxBus(home / "rows.db", log)
    pieces: Pieces = await stack.enter_async_context(
        built(home, Setup(), store=lambda bus: SqliteStore(bus.rows), bus=outbox)
    )
    await stack.enter_async_context(running(pieces))
    devices = [TypingDevice(pieces.gateway, f"session-{n}") for n in range(count)]
    for device in devices:
        await stack.enter_async_context(device)
    return devices


async def _once(stack: AsyncExitStack, log: KafkaBus, home: Path) -> Once:
    devices = await whole(stack, log, home, 1 + IN_FLIGHT)

    async def once(n: int) -> float:
        return (await devices[n].ask("how are you today")).first_clause_ms

    return once


@dataclass(frozen=True, slots=True)
class Client:
    """What carries the records: of the whole, and of its floor."""

    bus: type[KafkaBus]
    floor: type[Floor] | type[RdFloor]
    hops: Sequence[TopicInfo]


CLIENTS = {"aiokafka": Client(KafkaBus, Floor, HOPS), "librdkafka": Client(RdKafkaBus, RdFloor, RD_HOPS)}


async def _pair(stack: AsyncExitStack, client: Client, url: str) -> dict[str, Once]:
    """Each on a broker of its own: on one, both would answer the same turn."""
    async with Topics(parse(url)) as topics:
        await topics.create([*declared(), *client.hops])
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    floor = await stack.enter_async_context(client.floor(parse(url), home))
    return {"whole": await _once(stack, client.bus(url), home), "floor": lambda n: floor.once(f"session-{n}")}


async def measure(urls: dict[str, str], rounds: int, turns: int) -> Found:
    async with AsyncExitStack() as stack:
        pairs = {name: await _pair(stack, CLIENTS[name], url) for name, url in urls.items()}
        found: Found = {name: {form: [] for form in pair} for name, pair in pairs.items()}
        for n in range(rounds + 1):
            for name, pair in pairs.items():
                for form, once in pair.items():
                    made = await _round(once, turns)
                    if n:  # the first round warms up
                        found[name][form].append(made)
    return found


def _form(rounds: list[Round]) -> dict[str, float]:
    """Medians over the rounds."""
    cpu_ms = p50([r.cpu_ms for r in rounds])
    return {
        "first_clause_p50_ms": p50([p50(r.took) for r in rounds]),
        "first_clause_p99_ms": p50([p99(r.took) for r in rounds]),
        "cpu_ms": cpu_ms,
        "per_s": p50([r.per_s for r in rounds]),
        "per_cpu_s": 1000 / cpu_ms,
    }


def numbers(found: Found) -> dict[str, Any]:
    """Ratios are of rounds that ran side by side."""
    told: dict[str, Any] = {}
    for name, forms in found.items():
        pairs = list(zip(forms["whole"], forms["floor"], strict=True))
        told[name] = {
            "rounds": len(pairs),
            "turns_a_round": len(forms["whole"][0].took),
            "forms": {form: _form(rounds) for form, rounds in forms.items()},
            "p50_over_floor": p50([p50(a.took) / p50(b.took) for a, b in pairs]),
            "p99_over_floor": p50([p99(a.took) / p99(b.took) for a, b in pairs]),
        }
    if len(found) > 1:
        crossed = zip(found["librdkafka"]["whole"], found["aiokafka"]["floor"], strict=True)
        told["librdkafka"]["p50_over_floor_of_aiokafka"] = p50([p50(a.took) / p50(b.took) for a, b in crossed])
    return told


def show(told: dict[str, Any]) -> None:
    columns = ("", "first clause p50", "p99", "CPU-ms a turn", "a second, 32 in flight", "by CPU second")
    rows = [[f"{c}: {f}", *form.values()] for c, one in told.items() for f, form in one["forms"].items()]
    report.table("A typed chat turn over Kafka, all models at 0 ms (ms); the floor: three hops", columns, rows)
    for client, one in told.items():
        report.table(f"Goals, {client}", ("", "measured", "goal", ""), _goals(one))


def _goals(one: dict[str, Any]) -> list[list[Any]]:
    whole = one["forms"]["whole"]
    goals = [
        ("p50 / floor", one["p50_over_floor"], 1.5),
        ("p99 / floor", one["p99_over_floor"], 2.0),
        ("CPU-ms a turn", whole["cpu_ms"], 3.3),
    ]
    if "p50_over_floor_of_aiokafka" in one:
        goals.append(("p50 / floor of aiokafka", one["p50_over_floor_of_aiokafka"], 1.5))
    told = [[name, value, f"<= {goal}", verdict(value, goal)] for name, value, goal in goals]
    per_s = whole["per_cpu_s"]
    return [*told, ["turns by CPU second", per_s, ">= 300", verdict(per_s, 300, at_least=True)]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--turns", type=int, default=60, help="a round")
    arguments.add_argument("--client", choices=CLIENTS, help="this one alone; else both, interleaved")
    given = arguments.parse_args()
    if not kafka_broker.kind():
        print("kafka_turn needs a Kafka broker: Docker, or Java and Maven; left out")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = [given.client] if given.client else list(CLIENTS)
        urls = {name: stack.enter_context(kafka_broker.own(folder / name)) for name in names}
        told = numbers(uvloop.run(measure(urls, given.rounds, given.turns)))
    show(told)
    report.save("kafka_turn", told)


if __name__ == "__main__":
    main()
