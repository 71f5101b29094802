"""What a hop over the journal costs: append, commit, deliver, in one process on uvloop.

python -m benchmarks.journal_hops [--chains N] [--rounds N]

One hop: a record is appended and delivered. A chain of three: each delivery appends to the next topic, as the path
of a turn does. Load: 64 chains at once. Rounds of all forms are interleaved; medians are printed.
"""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import report
from parlance.bus import Out, Record, partition_of
from parlance.bus_journal import JournalBus
from parlance.events import TopicInfo

PARTITIONS = 4
VALUE = b"x" * 300
LOAD = 64


@dataclass
class Form:
    name: str
    inline: bool = False
    durable: bool = False
    one: list[float] = field(default_factory=list)
    three: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    events: list[float] = field(default_factory=list)


class Chains:
    """Runs chains of `hops` records, a number at a time, and notes what each took (ms)."""

    def __init__(self, bus: JournalBus, topics: list[str], hops: int) -> None:
        self._bus = bus
        self._next: dict[str, Callable[[Record], None]] = {}
        self._topics = topics[:hops]
        self._began: dict[bytes, float] = {}
        self._left = 0
        self._at_once = 0
        self._done: asyncio.Future[None]
        self.took: list[float] = []

    async def run(self, count: int, at_once: int) -> None:
        self._done = asyncio.get_running_loop().create_future()
        self._left = count
        subscriptions = [self._bus.subscribe(f"bench-{topic}", [topic], self._deliver) for topic in self._topics]
        for subscription in subscriptions:
            await subscription.caught_up()
        self._at_once = at_once
        for _ in range(at_once):
            self._begin()
        await self._done
        for subscription in subscriptions:
            await subscription.stop()

    def _begin(self) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        key = b"session-%d" % self._left
        self._began[key] = time.perf_counter()
        self._append(self._topics[0], key)

    def _append(self, topic: str, key: bytes) -> None:
        self._bus.append([Out(topic, partition_of(key, PARTITIONS), key, VALUE, (("began", b"12345678"),))])

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            if record.key not in self._began:
                continue
            at = self._topics.index(record.topic) + 1
            if at < len(self._topics):
                self._append(self._topics[at], record.key)
            else:
                self._end(record.key)

    def _end(self, key: bytes) -> None:
        self.took.append((time.perf_counter() - self._began.pop(key)) * 1000)
        self._begin()
        if not self._began:
            self._done.set_result(None)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(form: Form, chains: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        bus = JournalBus(Path(home) / "journal.db", inline=form.inline)
        topics = [f"bench{n}.v1" for n in range(3)]
        bus.declare([TopicInfo(topic, PARTITIONS, durable=form.durable) for topic in topics])
        await bus.start()
        one = Chains(bus, topics, 1)
        await one.run(chains, 1)
        form.one += one.took
        three = Chains(bus, topics, 3)
        began = cpu_s()
        await three.run(chains, 1)
        form.cpu_ms.append((cpu_s() - began) / chains * 1000)
        form.three += three.took
        load = Chains(bus, topics, 3)
        wall = time.perf_counter()
        await load.run(chains * 4, LOAD)
        form.events.append(chains * 4 * 3 / (time.perf_counter() - wall))
        await bus.stop()


def row(form: Form) -> str:
    def spread(times: list[float]) -> str:
        return f"{statistics.median(times):7.3f} {statistics.quantiles(times, n=100)[98]:7.2f}"

    cpu, events = statistics.median(form.cpu_ms), statistics.median(form.events)
    return f"{form.name:22} {spread(form.one)}  {spread(form.three)}  {cpu:7.3f}  {events:9,.0f}"


def told(form: Form) -> dict[str, float]:
    return {
        "one_hop_p50_ms": report.p50(form.one),
        "one_hop_p99_ms": report.p99(form.one),
        "three_hops_p50_ms": report.p50(form.three),
        "three_hops_p99_ms": report.p99(form.three),
        "cpu_ms": report.p50(form.cpu_ms),
        "events_per_s": report.p50(form.events),
    }


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--chains", type=int, default=500)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    forms = [Form("thread"), Form("thread, durable topics", durable=True), Form("inline", inline=True)]
    for _ in range(given.rounds):
        for form in forms:
            await measure(form, given.chains)
    print("ms                       one hop p50 p99    three hops p50 p99   CPU-ms   events/s (64 chains)")
    for form in forms:
        print(row(form))
    report.save("journal_hops", {form.name: told(form) for form in forms})


if __name__ == "__main__":
    uvloop.run(main())
