"""What a turn costs where each service is a process on Kafka: events, bytes, CPU by service, connections, memory.

python -m benchmarks.turn_cost [--typed N] [--spoken N]

The models are the default ones (Whisper tiny.en, hibari); open questions are answered by a script. CPU is what /proc
says of each process, less what it takes when nothing happens, so it holds on a busy machine too. Needs Java and Maven,
or Docker, for the broker.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks import report
from benchmarks.asking import Asking
from benchmarks.footprint import QUESTIONS
from benchmarks.process import ROOT, cpu_s, resident_mb
from parlance.bus_kafka import KafkaBus
from parlance.client import Client
from parlance.events import TOPICS, declared
from tests import kafka_broker
from tests.processes import Processes, processes

WAV = ROOT / "examples/audio/what-is-seven-times-twelve.wav"


async def _typed(address: str, count: int) -> None:
    async with Client(address) as client, Asking(client) as asking:
        for n in range(count):
            await asking.typed(QUESTIONS[n % len(QUESTIONS)])


async def _spoken(address: str, count: int) -> None:
    samples, _ = soundfile.read(WAV, dtype="int16")
    quiet = np.zeros(16_000, dtype=np.int16)
    async with Client(address) as client, Asking(client) as asking:
        for _ in range(count):
            await asking.spoken(np.concatenate([samples, quiet]))


async def _log(url: str) -> dict[str, tuple[int, int]]:
    """topic -> (records, bytes of keys, values and headers)."""
    bus = KafkaBus(url)
    bus.declare(declared())
    await bus.start()
    try:
        return {topic: await _topic(bus, topic) for topic in TOPICS}
    finally:
        await bus.stop()


async def _topic(bus: KafkaBus, topic: str) -> tuple[int, int]:
    records, size = 0, 0
    for partition in range(TOPICS[topic].partitions):
        start = 0
        while found := await bus.read(topic, partition, start):
            records += len(found)
            size += sum(
                len(r.key) + len(r.value) + sum(len(name) + len(value) for name, value in r.headers) for r in found
            )
            start = found[-1].offset + 1
    return records, size


def _connections(pid: int) -> int:
    """Open TCP sockets of a process, listening ones too (Linux)."""
    return sum(1 for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.exists() and fd.readlink().name.startswith("socket"))


def _idle(pids: dict[str, int], seconds: float = 10.0) -> dict[str, float]:
    """CPU seconds that each takes in a second in which nothing happens."""
    before, began = {n: cpu_s(p) for n, p in pids.items()}, time.monotonic()
    time.sleep(seconds)
    return {n: (cpu_s(p) - before[n]) / (time.monotonic() - began) for n, p in pids.items()}


def _measured(stack: Processes, idle: dict[str, float], turns: Callable[[], Any], count: int) -> dict[str, Any]:
    pids = {name: _pid(stack, name) for name in stack.all}
    began = time.monotonic()
    before, log = {n: cpu_s(p) for n, p in pids.items()}, asyncio.run(_log(stack.broker_url))
    asyncio.run(turns())
    time.sleep(2.0)  # what is written after the answer
    after, grown = {n: cpu_s(p) for n, p in pids.items()}, asyncio.run(_log(stack.broker_url))
    passed = time.monotonic() - began
    cpu = {name: (after[name] - before[name] - idle[name] * passed) * 1000 / count for name in pids}
    events = {t: (grown[t][0] - log[t][0]) / count for t in TOPICS if grown[t][0] > log[t][0]}
    return {
        "turns": count,
        "cpu_ms": cpu,
        "cpu_ms_all": sum(cpu.values()),
        "events": events,
        "events_all": sum(events.values()),
        "bytes": sum(grown[t][1] - log[t][1] for t in TOPICS) / count,
    }


def _pid(stack: Processes, name: str) -> int:
    popen = stack[name].popen
    assert popen is not None
    return popen.pid


def measure(typed: int, spoken: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, processes(Path(folder)) as (stack, _):
        client, address = stack.client(), stack["gateway"].address
        client.cli("import", "contacts", ROOT / "examples/contacts.vcf")
        client.cli("import", "calendar", ROOT / "examples/calendar.ics")
        client.cli("routes", "set", "llm", "scripted:echo")
        asyncio.run(_typed(address, len(QUESTIONS)))  # warm
        pids = {name: _pid(stack, name) for name in stack.all}
        idle = _idle(pids)
        return {
            "typed": _measured(stack, idle, lambda: _typed(address, typed), typed),
            "spoken": _measured(stack, idle, lambda: _spoken(address, spoken), spoken),
            "memory_mb": {n: resident_mb(p) for n, p in pids.items()},
            "sockets": {n: _connections(p) for n, p in pids.items()},
            "idle_cpu_percent": {n: share * 100 for n, share in idle.items()},
        }


def show(numbers: dict[str, Any]) -> None:
    typed, spoken = numbers["typed"], numbers["spoken"]
    rows = [
        [
            name,
            typed["cpu_ms"][name],
            spoken["cpu_ms"][name],
            numbers["idle_cpu_percent"][name],
            numbers["memory_mb"][name],
            numbers["sockets"][name],
        ]
        for name in typed["cpu_ms"]
    ]
    columns = ["", "CPU-ms typed", "CPU-ms spoken", "idle, % of a core", "resident MB", "sockets"]
    report.table("A turn, each service a process", columns, rows)
    topics = sorted({*typed["events"], *spoken["events"]})
    report.table(
        "Events a turn",
        ["", "typed", "spoken"],
        [[t, typed["events"].get(t, 0.0), spoken["events"].get(t, 0.0)] for t in topics],
    )
    report.table(
        "All together",
        ["", "typed", "spoken"],
        [
            ["CPU-ms", typed["cpu_ms_all"], spoken["cpu_ms_all"]],
            ["events", typed["events_all"], spoken["events_all"]],
            ["bytes in the log", typed["bytes"], spoken["bytes"]],
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turn_cost", description=__doc__)
    parser.add_argument("--typed", type=int, default=160)
    parser.add_argument("--spoken", type=int, default=20)
    words = parser.parse_args()
    if not kafka_broker.kind():
        print("turn_cost needs a Kafka broker: Docker, or Java and Maven; left out")
        return
    numbers = measure(words.typed, words.spoken)
    show(numbers)
    report.save("turn_cost", numbers)


if __name__ == "__main__":
    main()
