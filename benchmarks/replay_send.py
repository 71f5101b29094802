"""How fast a replay file goes straight on the bus (`parlance replay run --direct`), and how late a record is sent.

python -m benchmarks.replay_send [--events N] [--rate N] [--journal]

Sending alone: nobody handles the events here. `making` is done before the start (ids, sealing, records); `sending` is
what the sender itself does from the first moment to the last durable record, all of its threads counted, so events by
CPU second are events a second of one core. Questions through a gateway (`replay run` without --direct) are another
thing: there a turn costs the client alone 0.5 to 1 ms, for it takes the whole reply too.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.report import p50, p99, verdict
from parlance import ids
from parlance.bus import Bus
from parlance.bus_journal import JournalBus
from parlance.events import EVENT_CLASSES, declared, topic_of
from parlance.kafka_address import parse
from parlance.kafka_topics import Topics
from parlance.load_synth import Wanted, synth
from parlance.privacy import Keys, Sealing
from services.rehearsal.events import Prepared, Whose, prepared
from services.rehearsal.sender import Sender
from tests import kafka_broker

PER_S, LATE_MS = 20_000, 2.0


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _send(bus: Bus, records: list[Prepared]) -> dict[str, Any]:
    sender = Sender(bus, records, lambda sent: None)
    cpu, began = _cpu_s(), time.monotonic()
    await sender.run()
    took, cpu = time.monotonic() - began - 0.2, _cpu_s() - cpu
    late = [(at - record.due_s) * 1000 for record, at in zip(records, sender.sent, strict=True)]
    return {"per_s": len(records) / took, "per_cpu_s": len(records) / cpu, "late_ms": late}


async def _measure(bus: Bus, folder: Path, events: int, rate: float) -> dict[str, Any]:
    sealing = Sealing(Keys(folder / "keys.json"))
    turns = synth(Wanted(events, seed=1, rate=min(rate, 10_000), talkers=900))
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    try:
        cpu = _cpu_s()
        fast = prepared(turns, Whose(ids.new(), "owner", "UTC"), None, sealing)
        making = _cpu_s() - cpu
        at_once = await _send(bus, fast)
        paced_turns = turns[: int(rate * 10)]
        paced = await _send(bus, prepared(paced_turns, Whose(ids.new(), "owner", "UTC"), 1.0, sealing))
    finally:
        await bus.stop()
    late = paced["late_ms"]
    return {
        "making_per_cpu_s": events / making,
        "sending_per_s": at_once["per_s"],
        "sending_per_cpu_s": at_once["per_cpu_s"],
        "rate_per_s": rate,
        "late_p50_ms": p50(late),
        "late_p99_ms": p99(late),
        "late_max_ms": max(late),
    }


async def _on_kafka(url: str, folder: Path, events: int, rate: float) -> dict[str, Any]:
    from parlance.bus_kafka import KafkaBus

    async with Topics(parse(url)) as topics:
        await topics.create(declared())
    return await _measure(KafkaBus(url), folder, events, rate)


def show(name: str, told: dict[str, Any]) -> None:
    sending, late = told["sending_per_cpu_s"], told["late_p99_ms"]
    rows = [
        ["made beforehand, events by CPU second", told["making_per_cpu_s"], "", ""],
        ["sent, events a second", told["sending_per_s"], "", ""],
        ["sent, events by CPU second", sending, f">= {PER_S}", verdict(sending, PER_S, at_least=True)],
        [f"sent late at {told['rate_per_s']:g} a second, p50 ms", told["late_p50_ms"], "", ""],
        ["  p99 ms", late, f"<= {LATE_MS:g}", verdict(late, LATE_MS)],
    ]
    report.table(f"a replay file straight on the bus: {name}", ("", "measured", "goal", ""), rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=60_000)
    arguments.add_argument("--rate", type=float, default=500.0, help="of the run that measures how late it sends")
    arguments.add_argument("--journal", action="store_true", help="the journal alone, where there is no broker")
    given = arguments.parse_args()
    told = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = JournalBus(folder / "journal.db")
        told["journal"] = uvloop.run(_measure(journal, folder, given.events, given.rate))
        show("the journal", told["journal"])
        if not given.journal and kafka_broker.kind():
            with kafka_broker.own(folder / "broker") as url:
                told["kafka"] = uvloop.run(_on_kafka(url, folder, given.events, given.rate))
            show("Kafka", told["kafka"])
    report.save("replay_send", told)


if __name__ == "__main__":
    main()
