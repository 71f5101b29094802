"""Load straight on the bus of a stack that is marked for it; one that is not refuses."""

from pathlib import Path

from tests.e2e.conftest import Platform

TURNS = 100


def test_a_marked_stack_takes_it_and_any_other_refuses(own_platform: Platform, tmp_path: Path) -> None:
    platform, file = own_platform, tmp_path / "load.replay"
    platform.start()
    words = ("--turns", str(TURNS), "--seed", "3", "--talkers", "40", "--rate", "20", "--interruptions", "0")
    platform.json("replay", "synth", "--out", file, *words)
    refused = platform.cli("replay", "run", file, "--direct")
    assert refused.returncode == 2 and "not marked for rehearsal" in refused.stderr
    assert platform.end() == 0
    platform.extra["PARLANCE_REHEARSAL"] = "1"
    platform.start()
    report = tmp_path / "direct.json"
    told = platform.json("replay", "run", file, "--direct", "--speed", "2", "--report", report)
    assert told["counts"]["answered"] + told["counts"]["cancelled"] == told["counts"]["turns"] == TURNS, told["counts"]
    assert platform.json("stats", "--run", told["run"])["turns"] == TURNS
    assert platform.json("turns") == []
    assert platform.cli("replay", "report", report, "--html", tmp_path / "r.html").returncode == 0
