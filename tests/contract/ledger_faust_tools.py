"""The ledger's Faust app as a process, the log that it reads, and what others make of the same log."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from parlance import clock, kafka_address
from parlance.bus import Out
from parlance.bus_kafka import KafkaBus
from parlance.events import EVENT_CLASSES, topic_of
from parlance.kafka_topics import Topics
from parlance.rpc import Call, one
from parlance.v1.gateway_service_pb2 import GetStatsRequest, GetStatsResponse
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.turn_pb2 import Header
from services.ledger import faust_app
from services.ledger.projections import READ
from services.ledger.rates import live
from services.ledger.service import LedgerService
from services.ledger.store_postgres import PostgresLedger
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import dump
from tests.contract import faust_process
from tests.unit.ledger_scene import Log

TURNS = 60


async def with_log(broker_url: str, folder: Path) -> KafkaBus:
    """The topics made and filled, where nobody has done it yet."""
    infos = [topic_of(cls) for cls in EVENT_CLASSES]
    async with Topics(kafka_address.parse(broker_url)) as topics:
        missing = (await topics.plan(infos)).missing
        await topics.create(missing)
    bus = KafkaBus(broker_url)
    bus.declare(infos)
    await bus.start()
    if missing:
        await write(bus, folder, TURNS)
    return bus


async def write(bus: KafkaBus, folder: Path, turns: int, first: int = 0) -> None:
    log = Log.at(folder)
    for n in range(first, first + turns):
        log.turn(n, spoken=bool(n % 2), run="r" if n % 7 == 3 else "")
    bus.append([Out(r.topic, r.partition, r.key, r.value, r.headers) for r in log.records])
    await bus.flush()


async def embedded(bus: KafkaBus, folder: Path) -> bytes:
    """What the projector says that `make run` has."""
    path = folder / "embedded.db"
    ledger = LedgerService(bus, path)
    async with ledger.opened():
        reading = asyncio.get_running_loop().create_task(ledger.run())
        await asked(ledger)
        reading.cancel()
        await asyncio.wait([reading])
    store = SqliteLedger(path)
    try:
        return dump(store.query)
    finally:
        store.close()


async def asked(ledger: LedgerService, run: str = "") -> GetStatsResponse:
    request = SummariseRequest(stats=GetStatsRequest(run=run, days=36_500))
    return (await one(ledger.summarise(request, Call("", Header())))).stats


class App:
    """The process, killed when the test ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def saved(self, batches: int) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            for _ in range(batches):
                assert await self.process.stdout.readline() == b"saved\n"

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@asynccontextmanager
async def running(
    broker_url: str, database_url: str, batch: int = 1000, defect: int = 0, metrics: str = ""
) -> AsyncIterator[App]:
    """`defect`: the number of the batch that it fails at. `metrics`: where it tells its numbers."""
    env = {
        **os.environ,
        "PARLANCE_BUS": broker_url,
        "PARLANCE_DATABASE": database_url,
        "PARLANCE_METRICS": metrics,
    }
    app = App(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            faust_process.__name__,
            str(batch),
            str(defect),
            env=env,
            stdout=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield app
    finally:
        await app.kill()


async def ends(bus: KafkaBus) -> dict[tuple[str, int], int]:
    found = {(topic, part): await bus.end(topic, part) for topic in READ for part in range(4)}
    return {at: end for at, end in found.items() if end}


async def read_all(store: PostgresLedger, bus: KafkaBus) -> None:
    wanted = await ends(bus)
    async with asyncio.timeout(60):
        while store.offsets() != wanted:
            await asyncio.sleep(0.1)


async def committed(broker_url: str, wanted: dict[tuple[str, int], int]) -> None:
    """Returns when the group has committed that, and fails where it does not within a while."""
    async with Topics(kafka_address.parse(broker_url)) as topics, asyncio.timeout(30):
        while True:
            found = await topics._admin.list_consumer_group_offsets(faust_app.GROUP)
            if {(at.topic, at.partition): kept.offset for at, kept in found.items() if kept.offset >= 0} == wanted:
                return
            await asyncio.sleep(0.1)


def turns(store: PostgresLedger, run: str = "") -> int:
    return sum(r.amount for r in live(store.query, run, clock.now_us()) if r.measure == "turns")


async def refused(env: dict[str, str]) -> tuple[int | None, str]:
    """The app's exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.ledger.faust_app"), env={**os.environ, **env}, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(40):
        _, err = await process.communicate()
    assert b"Traceback" not in err
    return process.returncode, err.decode()
