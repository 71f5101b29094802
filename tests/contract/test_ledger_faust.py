"""The ledger's Faust app on a real broker and PostgreSQL: killed anywhere, it says what the embedded one says."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs faust-streaming; type: make setup-dev")
psycopg = pytest.importorskip("psycopg", reason="needs psycopg; type: make setup-dev")

from parlance import clock, kafka_address, postgres_address  # noqa: E402
from parlance.bus import Out  # noqa: E402
from parlance.bus_kafka import KafkaBus  # noqa: E402
from parlance.events import EVENT_CLASSES, topic_of  # noqa: E402
from parlance.kafka_topics import Topics  # noqa: E402
from parlance.rpc import Call, one  # noqa: E402
from parlance.v1.gateway_service_pb2 import GetStatsRequest, GetStatsResponse  # noqa: E402
from parlance.v1.ledger_service_pb2 import SummariseRequest  # noqa: E402
from parlance.v1.turn_pb2 import Header  # noqa: E402
from services.ledger.rates import live  # noqa: E402
from services.ledger.service import LedgerService  # noqa: E402
from services.ledger.store_postgres import PostgresLedger  # noqa: E402
from services.ledger.store_sqlite import SqliteLedger  # noqa: E402
from services.ledger.tables import dump  # noqa: E402
from tests import kafka_broker  # noqa: E402
from tests.contract import faust_process  # noqa: E402
from tests.unit.ledger_scene import Log  # noqa: E402

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
TURNS = 60


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of its own: whoever else writes into these topics would be in the ledger too."""
    made = kafka_broker.broker(tmp_path_factory.mktemp("ledger") / "kafka")
    made.start()
    yield made.url
    made.forget()


@pytest.fixture
async def bus(broker_url: str, tmp_path: Path) -> AsyncIterator[KafkaBus]:
    """With topics that hold a log, the same for all tests here."""
    infos = [topic_of(cls) for cls in EVENT_CLASSES]
    async with Topics(kafka_address.parse(broker_url)) as topics:
        missing = (await topics.plan(infos)).missing
        await topics.create(missing)
    opened = KafkaBus(broker_url)
    opened.declare(infos)
    await opened.start()
    if missing:
        await write(opened, tmp_path, TURNS)
    yield opened
    await opened.stop()


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
async def running(broker_url: str, database_url: str, batch: int = 1000) -> AsyncIterator[App]:
    env = {**os.environ, "PARLANCE_BUS": broker_url, "PARLANCE_DATABASE": database_url}
    app = App(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", faust_process.__name__, str(batch), env=env, stdout=asyncio.subprocess.PIPE
        )
    )
    try:
        yield app
    finally:
        await app.kill()


@pytest.fixture
def store(database_url: str) -> Iterator[PostgresLedger]:
    made = PostgresLedger(postgres_address.parse(database_url))
    yield made
    made.close()


async def ends(bus: KafkaBus) -> dict[tuple[str, int], int]:
    from services.ledger.projections import READ

    found = {(topic, part): await bus.end(topic, part) for topic in READ for part in range(4)}
    return {at: end for at, end in found.items() if end}


async def read_all(store: PostgresLedger, bus: KafkaBus) -> None:
    wanted = await ends(bus)
    async with asyncio.timeout(60):
        while store.offsets() != wanted:
            await asyncio.sleep(0.1)


def turns(store: PostgresLedger, run: str = "") -> int:
    return sum(r.amount for r in live(store.query, run, clock.now_us()) if r.measure == "turns")


@pytest.mark.timeout(300)
async def test_killed_in_the_middle_again_and_again_it_says_what_the_embedded_one_says(
    bus: KafkaBus, broker_url: str, database_url: str, store: PostgresLedger, tmp_path: Path
) -> None:
    whole, chance, kills = await embedded(bus, tmp_path), random.Random(5), 0
    for _ in range(4):
        async with running(broker_url, database_url, batch=7) as app:
            await app.saved(chance.randrange(3, 30))
        kills += b"" != dump(store.query) != whole
    assert kills >= 3  # it was in the middle
    async with running(broker_url, database_url):
        await read_all(store, bus)
    assert dump(store.query) == whole
    # Each turn counts once, however often its end was read.
    assert (turns(store), turns(store, "r")) == (TURNS - 9, 9)


async def test_a_database_that_was_emptied_is_filled_again(
    bus: KafkaBus, broker_url: str, store: PostgresLedger, database_url: str, tmp_path: Path
) -> None:
    """The group has committed the whole log by now."""
    async with running(broker_url, database_url):
        await read_all(store, bus)
        await asyncio.sleep(2.5)  # it commits once a second
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("TRUNCATE ledger_turn, ledger_call, ledger_offset")
    async with running(broker_url, database_url):
        await read_all(store, bus)
    assert dump(store.query) == await embedded(bus, tmp_path)


async def test_killed_while_the_database_holds_its_batch_up_it_reads_it_again(
    bus: KafkaBus, broker_url: str, store: PostgresLedger, database_url: str, tmp_path: Path
) -> None:
    async with running(broker_url, database_url) as app:
        await read_all(store, bus)
        with psycopg.connect(database_url) as db:
            db.execute("LOCK TABLE ledger_turn")
            await write(bus, tmp_path, 5, first=1000)
            await asyncio.sleep(4.0)  # it would have committed by now
            await app.kill()
    assert b"turn-1000" not in dump(store.query)
    async with running(broker_url, database_url):
        await read_all(store, bus)
    assert b"turn-1000" in dump(store.query) and dump(store.query) == await embedded(bus, tmp_path)


async def test_whoever_asks_gets_everything_and_the_live_rates(
    bus: KafkaBus, broker_url: str, store: PostgresLedger, database_url: str, tmp_path: Path
) -> None:
    ledger = LedgerService(bus, postgres_address.parse(database_url), reads_log=False)
    async with running(broker_url, database_url) as app, ledger.opened():
        await app.saved(1)
        await asked(ledger)
        await write(bus, tmp_path, 3, first=2000)
        told = await asked(ledger)
    assert sum(t.turns for t in told.turns) == dump(store.query).count(b'["ledger_turn", ""') > 3
    assert sum(r.amount for r in told.rates if (r.measure, r.name) == ("turns", "answered")) == turns(store) > 3
    assert {"input_tokens", "output_tokens", "characters", "audio_ms", "voiced_ms"} < {r.measure for r in told.rates}


async def test_it_makes_no_topic(bus: KafkaBus, broker_url: str, database_url: str, store: PostgresLedger) -> None:
    async with running(broker_url, database_url):
        await read_all(store, bus)
    async with Topics(kafka_address.parse(broker_url)) as topics:
        names = set(await topics._admin.list_topics())
    assert names - {"__consumer_offsets"} == {topic_of(cls).name for cls in EVENT_CLASSES}


async def test_asked_to_end_it_ends(bus: KafkaBus, broker_url: str, database_url: str, store: PostgresLedger) -> None:
    async with running(broker_url, database_url) as app:
        await read_all(store, bus)
        app.process.terminate()
        async with asyncio.timeout(20):
            assert await app.process.wait() == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"PARLANCE_BUS": ""}, "needs PARLANCE_BUS=kafka://HOST:PORT and PARLANCE_DATABASE"),
        ({"PARLANCE_DATABASE": ""}, "needs PARLANCE_BUS=kafka://HOST:PORT and PARLANCE_DATABASE"),
        ({"PARLANCE_DATABASE": "mysql://here"}, "PARLANCE_DATABASE is no address of PostgreSQL"),
        ({"PARLANCE_BUS": "kafka://127.0.0.1:9"}, "no Kafka broker answers at kafka://127.0.0.1:9"),
        ({"PARLANCE_DATABASE": "postgresql://u@127.0.0.1:9/n"}, "PostgreSQL at postgresql://u@127.0.0.1:9/n cannot"),
        ({"PARLANCE_BUS": "kafka+tls://127.0.0.1:9"}, "needs PARLANCE_TLS"),
        ({"PARLANCE_BUS": "kafka+tls://127.0.0.1:9", "PARLANCE_TLS": "/no"}, "/no needs ca.crt, ledger.crt"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_named(
    bus: KafkaBus, broker_url: str, database_url: str, changed: dict[str, str], said: str
) -> None:
    code, err = await refused({"PARLANCE_BUS": broker_url, "PARLANCE_DATABASE": database_url, **changed})
    assert said in err and code == (1 if "answers" in said or "cannot" in said else 2)


async def test_topics_that_are_missing_are_named(tmp_path: Path, database_url: str) -> None:
    made = kafka_broker.broker(tmp_path / "kafka")
    made.start()
    try:
        code, err = await refused({"PARLANCE_BUS": made.url, "PARLANCE_DATABASE": database_url})
        assert code == 1 and "type: parlance topics apply" in err
    finally:
        made.forget()


async def refused(env: dict[str, str]) -> tuple[int | None, str]:
    """The app's exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.ledger.faust_app"), env={**os.environ, **env}, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(40):
        _, err = await process.communicate()
    assert b"Traceback" not in err
    return process.returncode, err.decode()
