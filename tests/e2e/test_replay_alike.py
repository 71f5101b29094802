"""The same recording gives the same turns: run twice, and on the journal as on Kafka."""

import asyncio
import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from parlance import ids, load_file
from parlance.cli_offline import Offline
from parlance.config import Config
from parlance.events import TOPICS, kind, parse, payload
from parlance.load_recipient import Owner
from parlance.privacy import Keys, Sealing
from tests.e2e.conftest import Platform

TURNS = 300
# Few enough that no door refuses them, however slow the machine is.
TALKERS = 4
# What is each run's own.
_OWN = {"run", "turn_id", "call_id", "event_id"}


@pytest.fixture(scope="module")
def file(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("alike") / "load.replay"
    platform.json(
        *("replay", "synth", "--out", made, "--turns", str(TURNS), "--seed", "11"),
        *("--talkers", str(TALKERS), "--interruptions", "0"),
    )
    return made


def _run(platform: Platform, file: Path, report: Path) -> dict[str, Any]:
    """Waits until the ledger has read all of it."""
    told: dict[str, Any] = platform.json("replay", "run", file, "--speed", "max", "--report", report, timeout=100)
    assert told["counts"]["turns"] == TURNS and told["complete"], told["counts"]
    assert platform.json("stats", "--run", told["run"])["turns"] == TURNS
    return told


def _columns(db: apsw.Connection, table: str) -> list[str]:
    """All but ids and times."""
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    return [n for n in names if n not in _OWN and not n.endswith("_us")]


def _rows(platform: Platform, run: str) -> dict[str, list[tuple[Any, ...]]]:
    """The ledger's of a run, without its ids and times, sorted."""
    db = apsw.Connection(str(platform.home / "ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = {}
    for table in ("ledger_turn", "ledger_call"):
        columns = ", ".join(_columns(db, table))
        rows = db.execute(f"SELECT {columns} FROM {table} WHERE run = ?", (run,))
        found[table] = sorted(rows, key=repr)
    db.close()
    return found


async def _said(platform: Platform, file: Path, run: str) -> dict[int, tuple[str, str]]:
    """Of each turn of the file its intent and the words of its reply, as the log has them."""
    settings = Config(platform.home, platform.extra.get("PARLANCE_BUS", ""), 0, 0, "owner", "UTC", "warning")
    turns = load_file.read(file, Owner(settings.keys, "owner")).turns
    names = {ids.derived(run, ids.derived(run, t.session), f"{n}/0"): n for n, t in enumerate(turns)}
    sealing, intents, words = Sealing(Keys(settings.keys)), dict[int, str](), dict[int, str]()
    async with Offline(settings).open() as bus:
        for topic in ("intent.v1", "reply.v1"):
            for partition in range(TOPICS[topic].partitions):
                for record in await bus.read(topic, partition, 0, 100_000):
                    event = parse(topic, record.value)
                    n = names.get(event.header.turn_id, -1)
                    if n >= 0 and kind(event) == "recognized":
                        intents[n] = event.recognized.intent
                    elif n >= 0:
                        body = payload(sealing.open(event))
                        words[n] = words.get(n, "") + (body.text if kind(event) == "clause" else body.say)
    return {n: (intents[n], words[n]) for n in intents}


def _outcomes(report: Path) -> dict[int, str]:
    kept = json.loads(report.read_text())
    return {row[0]: row[7] for row in kept["turn_rows"]}


def test_run_twice_it_gives_the_same_projections(platform: Platform, file: Path, tmp_path: Path) -> None:
    told = [_run(platform, file, tmp_path / f"{n}.json") for n in range(2)]
    first, second = (_rows(platform, one["run"]) for one in told)
    assert len(first["ledger_turn"]) == TURNS and first["ledger_call"]
    for table in first:
        assert first[table] == second[table], table
    assert _outcomes(tmp_path / "0.json") == _outcomes(tmp_path / "1.json")
    said = [asyncio.run(_said(platform, file, one["run"])) for one in told]
    assert said[0] == said[1] and {"time.now", "timer.list", "list.show"} <= {intent for intent, _ in said[0].values()}
    assert told[0]["stages"]["totals"] and told[0]["stages"]["over_time"]["intent"]


@pytest.mark.kafka
def test_the_journal_and_kafka_give_the_same_turns(
    platform: Platform, file: Path, tmp_path: Path, own_kafka_url: str
) -> None:
    on_kafka = Platform(tmp_path / "kafka" / "home", extra={"PARLANCE_BUS": own_kafka_url})
    on_kafka.home.parent.mkdir()
    assert on_kafka.cli("topics", "apply").returncode == 0
    on_kafka.start()
    try:
        told = _run(on_kafka, file, tmp_path / "kafka.json"), _run(platform, file, tmp_path / "journal.json")
        assert _outcomes(tmp_path / "kafka.json") == _outcomes(tmp_path / "journal.json")
        kafka, journal = _rows(on_kafka, told[0]["run"]), _rows(platform, told[1]["run"])
        assert kafka == journal
        assert told[0]["counts"] == told[1]["counts"]
        said = [asyncio.run(_said(p, file, t["run"])) for p, t in zip((on_kafka, platform), told, strict=True)]
        assert said[0] == said[1] and len(said[0]) == TURNS and all(words for _, words in said[0].values())
    finally:
        on_kafka.end()
