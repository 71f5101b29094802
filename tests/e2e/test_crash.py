"""kill -9 in the middle of a turn: after the restart every accepted turn has one end, and every effect exists once."""

import random
import subprocess
import sys
import time

import pytest

from tests.e2e.conftest import ROOT, Platform

KILLS = 20
ASKS = ("put item{n} on my shopping list", "set a timer for {n} hours", "what is seven times {n}", "tell me a story {n}")


@pytest.mark.timeout(240)
def test_after_kill_9_at_random_points_nothing_is_lost_or_doubled(own_platform: Platform) -> None:
    random_ = random.Random(20)
    own_platform.extra["PARLANCE_LOG"] = "warning"
    for n in range(KILLS):
        own_platform.start()
        words = ASKS[n % 2 if n < 12 else n % len(ASKS)].format(n=n + 2)
        asking = subprocess.Popen(
            [sys.executable, "-m", "parlance.cli", "ask", words, "--json"],
            env=own_platform.environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_until_accepted(own_platform, n + 1, asking)
        time.sleep(random_.uniform(0, 0.03))
        own_platform.kill()
        asking.wait(30)
    own_platform.start()
    turns = _all_ended(own_platform)
    assert all(t["outcome"] for t in turns)
    _effects_once(own_platform, turns)
    assert own_platform.end() == 0


def _wait_until_accepted(platform: Platform, count: int, asking: "subprocess.Popen[bytes]") -> None:
    """Until the log holds the turn, or the client is done."""
    import sqlite3

    db = sqlite3.connect(f"file:{platform.home / 'journal.db'}?mode=ro", uri=True)
    tables = [r[0] for r in db.execute("SELECT id FROM topic WHERE name = 'session.v1'")]
    ends = time.monotonic() + 20
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE name LIKE ?", (f"log_{tables[0]}_%",))]

    def records() -> int:
        return sum(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names)

    before = records()
    while records() < before + 2 and asking.poll() is None and time.monotonic() < ends:
        time.sleep(0.002)
    db.close()


def _all_ended(platform: Platform) -> list[dict[str, str]]:
    ends = time.monotonic() + 40
    while True:
        turns: list[dict[str, str]] = platform.json("turns", "--limit", "100")
        if all(t["outcome"] for t in turns) or time.monotonic() > ends:
            return turns
        time.sleep(0.5)


def _effects_once(platform: Platform, turns: list[dict[str, str]]) -> None:
    said = platform.json("ask", "what is on my shopping list")["reply"]
    for turn in turns:
        told = platform.json("turn", turn["turn_id"])
        ends = [s for s in told["stages"] if s["event"] == "TurnCompleted"]
        assert len({s["event_id"] for s in ends}) == 1, turn
        for call in told["calls"]:
            if call["action"] == "list.add":
                item = turn["text"].split()[1]
                assert said.count(item) == (call["settlement"] == "done"), (turn, call, said)
