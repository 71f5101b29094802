"""The ledger's Faust app on a real broker and PostgreSQL: killed anywhere, it says what the embedded one says."""

import asyncio
import random
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

pytest.importorskip("faust", reason="needs faust-streaming; type: make setup-dev")
psycopg = pytest.importorskip("psycopg", reason="needs psycopg; type: make setup-dev")

from parlance import kafka_address, postgres_address  # noqa: E402
from parlance.bus_kafka import KafkaBus  # noqa: E402
from parlance.events import EVENT_CLASSES, topic_of  # noqa: E402
from parlance.kafka_topics import Topics  # noqa: E402
from services.ledger.service import LedgerService  # noqa: E402
from services.ledger.store_postgres import PostgresLedger  # noqa: E402
from services.ledger.tables import dump  # noqa: E402
from tests import kafka_broker  # noqa: E402
from tests.contract.ledger_faust_tools import (  # noqa: E402
    TURNS,
    asked,
    committed,
    embedded,
    ends,
    read_all,
    refused,
    running,
    turns,
    with_log,
    write,
)
from tests.ports import free_port  # noqa: E402

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


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
    opened = await with_log(broker_url, tmp_path)
    yield opened
    await opened.stop()


@pytest.fixture
def store(database_url: str) -> Iterator[PostgresLedger]:
    made = PostgresLedger(postgres_address.parse(database_url))
    yield made
    made.close()


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
        await committed(broker_url, await ends(bus))
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
            await committed(broker_url, wanted := await ends(bus))
            db.execute("LOCK TABLE ledger_turn")
            await write(bus, tmp_path, 5, first=1000)
            await asyncio.sleep(4.0)  # it commits once a second
            await committed(broker_url, wanted)
            await app.kill()
    assert b"turn-1000" not in dump(store.query)
    async with running(broker_url, database_url):
        await read_all(store, bus)
    assert b"turn-1000" in dump(store.query) and dump(store.query) == await embedded(bus, tmp_path)


async def test_a_defect_ends_the_process_and_loses_nothing(
    bus: KafkaBus, broker_url: str, store: PostgresLedger, database_url: str, tmp_path: Path
) -> None:
    async with running(broker_url, database_url, batch=50, defect=3) as app:
        await app.saved(2)
        async with asyncio.timeout(40):
            assert await app.process.wait() == 1
    async with running(broker_url, database_url):
        await read_all(store, bus)
    assert dump(store.query) == await embedded(bus, tmp_path)


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


async def test_prometheus_is_told_how_far_behind_it_is(
    bus: KafkaBus, broker_url: str, store: PostgresLedger, database_url: str, tmp_path: Path
) -> None:
    at = f"127.0.0.1:{free_port()}"
    lag, seen = 'parlance_bus_lag{group="ledger-faust"} ', set[float]()
    async with running(broker_url, database_url, batch=10, metrics=at) as app:
        await app.saved(1)
        async with asyncio.timeout(60):
            while 0.0 not in seen:
                page = await asyncio.to_thread(_page, at)
                seen |= {float(line.removeprefix(lag)) for line in page.splitlines() if line.startswith(lag)}
                await asyncio.sleep(0.02)
    assert max(seen) > 10 and store.offsets() == await ends(bus)


def _page(at: str) -> str:
    with urllib.request.urlopen(f"http://{at}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


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
        ({"PARLANCE_BUS": "kafka+tls://127.0.0.1:9"}, "needs certificates: set PARLANCE_TLS"),
        (
            {"PARLANCE_BUS": "kafka+tls://127.0.0.1:9", "PARLANCE_TLS": "/no"},
            "PARLANCE_TLS must be a folder that exists",
        ),
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
