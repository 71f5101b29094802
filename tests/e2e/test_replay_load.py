"""Load from a file on a running platform: it counts what came of every turn, and nothing of it is live."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parlance.bus_journal import JournalBus
from parlance.events import EVENT_CLASSES, TOPICS, kind, parse, topic_of
from tests.e2e.conftest import ROOT, Platform

TURNS = 200


@pytest.fixture(scope="module", autouse=True)
def _things(platform: Platform) -> None:
    """What a user has before any load comes."""
    for question in ("put tea on my shopping list", "set a timer for 90 minutes"):
        assert platform.cli("ask", question).returncode == 0


@pytest.fixture(scope="module")
def file(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("load") / "load.replay"
    told = platform.json("replay", "synth", "--out", made, "--turns", str(TURNS), "--seed", "7")
    assert (told["turns"], told["encrypted"]) == (TURNS, False)
    return made


def _said(platform: Platform, question: str) -> str:
    return platform.cli("ask", question).stdout


def _ledger(platform: Platform, run: str) -> dict[str, Any]:
    """Its account of a run, once it has read all of it."""
    for _ in range(50):
        found: dict[str, Any] = platform.json("stats", "--run", run)
        if found["turns"] == TURNS and not found["open"]:
            return found
        time.sleep(0.2)
    raise AssertionError(found)


async def _of_runs(home: Path) -> dict[str, Counter[str]]:
    """What the log holds of each run: how many events of each kind."""
    bus = JournalBus(home / "journal.db", owner=False)
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    found: dict[str, Counter[str]] = {}
    for topic in ("session.v1", "reply.v1", "effect.v1"):
        for partition in range(TOPICS[topic].partitions):
            for record in await bus.read(topic, partition, 0, 100_000):
                event: Any = parse(topic, record.value)
                found.setdefault(event.header.run, Counter())[kind(event)] += 1
    await bus.stop()
    return found


def test_two_runs_of_a_file_count_its_turns_and_leave_everything_as_it_was(
    platform: Platform, file: Path, tmp_path: Path
) -> None:
    before = {t["turn_id"] for t in platform.json("turns")}
    told = [
        platform.json(
            *("replay", "run", file, "--speed", "10", "--processes", str(processes)),
            *("--report", tmp_path / f"{processes}.json"),
        )
        for processes in (1, 2)
    ]
    ends = [{name: t["counts"][name] for name in ("failed", "refused", "lost", "error")} for t in told]
    assert [t["counts"]["turns"] for t in told] == [TURNS, TURNS] and all(t["complete"] for t in told)
    assert [t["counts"]["answered"] + t["counts"]["cancelled"] for t in told] == [TURNS, TURNS], ends
    assert {t["turn_id"] for t in platform.json("turns")} == before
    assert "has tea." in _said(platform, "what is on my shopping list")
    assert "left on your timer for 1 hour and 30 minutes." in _said(platform, "what timers do I have")
    runs = asyncio.run(_of_runs(platform.home))
    for one in told:
        log = runs[one["run"]]
        assert log["accepted"] == log["completed"] == TURNS and log["effect"] > 0 and log["fired"] == 0
        counted: Counter[str] = Counter()
        for ended in _ledger(platform, one["run"])["outcomes"]:
            counted[ended["outcome"]] += ended["turns"]
        assert counted == {name: one["counts"][name] for name in counted} and counted.total() == TURNS
    assert told[0]["run"] != told[1]["run"]
    kept = json.loads((tmp_path / "2.json").read_text())
    assert sorted(row[0] for row in kept["turn_rows"]) == list(range(TURNS))


def test_a_run_that_is_stopped_keeps_what_it_measured_and_goes_on(
    platform: Platform, file: Path, tmp_path: Path
) -> None:
    report = tmp_path / "stopped.json"
    words = ("replay", "run", file, "--speed", "5", "--report", report)
    running = subprocess.Popen(
        [sys.executable, "-m", "parlance.cli", *map(str, words)],
        env=platform.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 130 and "go on with --resume" in said
    stopped = json.loads(report.read_text())
    assert 0 < stopped["counts"]["turns"] < TURNS and not stopped["complete"]
    refused = platform.cli(*words)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    resumed = platform.json(*words, "--resume")
    assert resumed["run"] == stopped["run"] and resumed["counts"]["turns"] == TURNS
    assert resumed["counts"]["lost"] == resumed["counts"]["error"] == 0


def test_what_was_asked_here_is_recorded_and_run_again(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "mine.replay"
    asked = [t["text"] for t in platform.json("turns")]
    told = platform.json("replay", "record", "--out", file)
    assert told["turns"] == len(asked) >= 2 and told["encrypted"]
    assert b"shopping" not in file.read_bytes()
    run = platform.json("replay", "run", file, "--speed", "max", "--sound")
    assert run["counts"]["answered"] == told["turns"] and run["latency_ms"]["first"]["count"] == told["turns"]
    assert [t["text"] for t in platform.json("turns")] == asked


def test_what_cannot_be_run_is_told(platform: Platform, file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.replay"
    cut.write_bytes(file.read_bytes()[:-1])
    for words, said in (
        (("run", cut), "cut or damaged"),
        (("run", tmp_path / "absent"), "cannot be read"),
        (("run", file, "--speed", "1000"), "--speed is 1 to 100, or max"),
        (("run", file, "--resume"), "--resume needs --report"),
        (("run", file, "--report", cut), "is no result"),
        (("run", file, "--objective", "be quick"), "is no objective: write p95 first audio"),
        (("record", "--out", tmp_path / "r", "--from", "2036-01-01"), "no live turn"),
        (("record", "--out", tmp_path / "r", "--from", "yesterday"), "is no time"),
        (("synth", "--out", tmp_path / "s", "--turns", "5", "--seed", "1", "--rate", "-1"), "a rate is"),
    ):
        done = platform.cli("replay", *words)
        assert done.returncode == 2 and said in done.stderr, (words, done.stderr)
    assert {path.name for path in tmp_path.iterdir()} == {"cut.replay"}


def test_open_questions_go_to_another_machine_only_where_that_is_allowed(platform: Platform, file: Path) -> None:
    before = next(r for r in platform.json("routes") if r["stage"] == "llm")
    elsewhere = ("compatible:big", "--set", "base_url=http://192.0.2.1:9/v1")
    assert platform.cli("routes", "set", "llm", *elsewhere).returncode == 0
    try:
        done = platform.cli("replay", "run", file, "--limit", "1")
    finally:
        settings = [word for name, value in before["settings"].items() for word in ("--set", f"{name}={value}")]
        assert platform.cli("routes", "set", "llm", before["target"], *settings).returncode == 0
    assert done.returncode == 2 and "would go to 192.0.2.1:9: allow it with --outside" in done.stderr


def test_a_run_needs_a_running_platform(own_platform: Platform, file: Path) -> None:
    done = own_platform.cli("replay", "run", file)
    assert done.returncode == 3 and "nothing is running" in done.stderr
