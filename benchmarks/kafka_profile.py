"""Where the time of a typed chat turn over Kafka goes, leg by leg, beside the same legs of the floor.

python -m benchmarks.kafka_profile [--turns N]

One turn at a time, as the p50 of benchmarks/kafka_turn.py has them, with aiokafka. A leg ends where a record is handed
to the client of Kafka or comes out of it, so a hop is what client and broker take; what is between two hops is ours.
After it: the floor, and the floor with one more reader: who takes the second hop reads the first topic
too, in one group, as the turn contract has dialogue read session.v1.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.kafka_floor import HOPS, SHARED_HOPS, Floor
from benchmarks.kafka_turn import REST_S, whole
from benchmarks.report import p50
from parlance.bus import Deliver, Out, Record
from parlance.bus_kafka import KafkaBus
from parlance.events import declared, kind, parse
from parlance.kafka_address import parse as address_of
from parlance.kafka_topics import Topics
from tests import kafka_broker

# What ends each leg: a topic's record handed over, or delivered to a group.
LEGS = (
    ("gateway: text to session.v1", "out session.v1"),
    ("hop: session.v1 to intent", "in intent session.v1"),
    ("intent", "out intent.v1"),
    ("hop: intent.v1 to dialogue", "in dialogue intent.v1"),
    ("dialogue: to its first clause, its row written", "out reply.v1"),
    ("hop: reply.v1 to gateway", "in  reply.v1"),
    ("gateway: to the device", "clause"),
)
FLOORS = {"the floor": False, "the floor, its first topic read by two groups": True}


class Traced(KafkaBus):
    """With a mark at each end of a hop."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        # When what happened first in a turn (time.perf_counter()).
        self.at: dict[str, float] = {}

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        self._handed(out)
        return super().publish(out)

    def relay(self, out: Out) -> "asyncio.Future[Record]":
        self._handed(out)
        return super().relay(out)

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        for out in outbox:
            self._handed(out)
        super().append(outbox, lazy=lazy)

    def subscribe(self, group: str | None, topics: Sequence[str], deliver: Deliver, **more: Any) -> Any:
        def marked(records: list[Record]) -> None:
            for record in records:
                if record.topic != "reply.v1" or _is_clause(record):
                    self.at.setdefault(f"in {group or ''} {record.topic}", time.perf_counter())
            deliver(records)

        return super().subscribe(group, topics, marked, **more)

    def _handed(self, out: Out) -> None:
        if out.topic != "reply.v1" or _is_clause(out):
            self.at.setdefault(f"out {out.topic}", time.perf_counter())


def _is_clause(record: Out | Record) -> bool:
    return kind(parse(record.topic, record.value)) == "clause"


async def measure(url: str, home: Path, turns: int) -> dict[str, Any]:
    """The first quarter more of them warms up."""
    legs, floors = {name: list[float]() for name, _ in LEGS}, {name: list[float]() for name in FLOORS}
    async with AsyncExitStack() as stack:
        async with Topics(address_of(url)) as topics:
            await topics.create([*declared(), *HOPS, *SHARED_HOPS])
        log = Traced(url)
        (device,) = await whole(stack, log, home, 1)
        for n in range(-turns // 4, turns):
            log.at.clear()
            asked = await device.ask("how are you today")
            await asyncio.sleep(REST_S)
            if n >= 0:
                _add(legs, asked.sent_at, {**log.at, "clause": asked.first_clause_at})
    for name, shared in FLOORS.items():
        async with Floor(address_of(url), home, shared) as floor:
            for n in range(-turns // 4, turns):
                took = await floor.once("session-0")
                await asyncio.sleep(REST_S)
                if n >= 0:
                    floors[name].append(took)
    return {"legs": {name: p50(took) for name, took in legs.items()}, "floors": {n: p50(f) for n, f in floors.items()}}


def _add(legs: dict[str, list[float]], began: float, at: dict[str, float]) -> None:
    for name, end in LEGS:
        legs[name].append((at[end] - began) * 1000)
        began = at[end]


def show(told: dict[str, Any]) -> None:
    legs, floors = told["legs"], told["floors"]
    rows = [[leg, ms] for leg, ms in legs.items()]
    rows += [["all of it", sum(legs.values())], *([name, ms] for name, ms in floors.items())]
    report.table("A typed chat turn over Kafka with aiokafka, one at a time, p50", ("", "ms"), rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--turns", type=int, default=300)
    given = arguments.parse_args()
    if not kafka_broker.kind():
        print("kafka_profile needs a Kafka broker: Docker, or Java and Maven; left out")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        told = uvloop.run(measure(stack.enter_context(kafka_broker.own(folder / "broker")), folder, given.turns))
    show(told)
    report.save("kafka_profile", told)


if __name__ == "__main__":
    main()
