"""What the ledger's Faust app costs a message, beside the plain projector, on one log and one PostgreSQL.

python -m benchmarks.ledger --bus kafka://127.0.0.1:19092 --database postgresql://... [--turns N] [--rounds N]

Each form reads the same topics from their beginning into a database of its own, in a process of its own; measured from
its first save to its last. Rounds are interleaved; medians are printed. The user of the database must be able to make
databases, the topics must be made (parlance topics apply); what they hold already is read too.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import report
from parlance import postgres_address
from parlance.bus import Out
from parlance.bus_kafka import KafkaBus
from parlance.events import TOPICS
from services.ledger.projections import READ
from services.ledger.service import LedgerService
from services.ledger.store_postgres import PostgresLedger
from tests import postgres_server
from tests.unit.ledger_scene import Log

_LOOK_S = 0.02
_PATIENCE_S = 300.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Form:
    name: str
    words: tuple[str, ...]
    per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


def _bus(url: str) -> KafkaBus:
    bus = KafkaBus(url)
    bus.declare([TOPICS[name] for name in READ])
    return bus


async def _fill(url: str, turns: int) -> int:
    """Appends the turns; how many records there are to read."""
    bus = _bus(url)
    await bus.start()
    with tempfile.TemporaryDirectory() as folder:
        log = Log.at(Path(folder))
        for n in range(turns):
            log.turn(n, spoken=bool(n % 2), run=f"bench{os.getpid()}-")
            if len(log.records) > 500 or n == turns - 1:
                bus.append([Out(r.topic, r.partition, r.key, r.value, r.headers) for r in log.records])
                log.records.clear()
                await bus.flush()
    count = sum([await bus.end(name, part) for name in READ for part in range(TOPICS[name].partitions)])
    await bus.stop()
    return count


async def _projector(url: str, database: str) -> None:
    bus = _bus(url)
    await bus.start()
    ledger = LedgerService(bus, postgres_address.parse(database))
    async with ledger.opened():
        await ledger.run()


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) * _TICK_S


async def _round(form: Form, url: str, database: str, count: int) -> None:
    env = {**os.environ, "PARLANCE_BUS": url, "PARLANCE_DATABASE": database}
    store = PostgresLedger(postgres_address.parse(database))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *form.words, env=env)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            first = await _reached(store, 1)
            began, used = time.perf_counter(), _cpu_s(process.pid)
            await _reached(store, count)
            took, used = time.perf_counter() - began, _cpu_s(process.pid) - used
    finally:
        process.terminate()
        await process.wait()
        store.close()
    form.per_s.append((count - first) / took)
    form.cpu_us.append(used / (count - first) * 1e6)


async def _reached(store: PostgresLedger, count: int) -> int:
    while (found := sum((await asyncio.to_thread(store.offsets)).values())) < count:
        await asyncio.sleep(_LOOK_S)
    return found


async def _measure(url: str, server: str, turns: int, rounds: int) -> None:
    count = await _fill(url, turns)
    forms = [
        Form("Faust app", ("services.ledger.faust_app",)),
        Form("plain projector", ("benchmarks.ledger", "--projector", "--bus", url, "--database")),
    ]
    for _ in range(rounds):
        for form in forms:
            with postgres_server.database(server) as database:
                with_it = form.words if form.words[-1] != "--database" else (*form.words, database)
                await _round(Form(form.name, with_it, form.per_s, form.cpu_us), url, database, count)
    rows = [(f.name, statistics.median(f.per_s), statistics.median(f.cpu_us)) for f in forms]
    report.table(f"The ledger, {count} messages", ("form", "messages/s", "CPU us a message"), rows)
    ratio = rows[0][2] / rows[1][2]
    print(f"\n  the app's CPU is {ratio:.2f} times the projector's")
    told = {f.name: {"per_s": f.per_s, "cpu_us": f.cpu_us} for f in forms}
    report.save("ledger", {"messages": count, "cpu_ratio": ratio, "forms": told})


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bus", required=True)
    arguments.add_argument("--database", required=True)
    arguments.add_argument("--turns", type=int, default=2000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--projector", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.projector:
        uvloop.run(_projector(given.bus, given.database))
    else:
        asyncio.run(_measure(given.bus, given.database, given.turns, given.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
