"""A full disk: it is said, nothing that was acknowledged is lost, and work goes on when there is room again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Platform
from tests.small_disk import fill
from tests.small_disk import small_disk as small_disk_at


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", 64) as made:
        yield made


def _full(platform: Platform, junk: Path, n: int) -> subprocess.CompletedProcess[str]:
    """What is answered once the disk takes nothing more. The journal has some room of its own at first."""
    for _ in range(40):
        fill(junk)
        done = platform.cli("ask", f"put item{n} on my shopping list")
        if done.returncode:
            return done
        n += 1
    raise AssertionError("never full")


def test_a_full_disk_is_said_and_nothing_is_lost(own_platform: Platform, small_disk: Path) -> None:
    own_platform.home = small_disk / "home"
    own_platform.start()
    junk = small_disk / "junk"
    assert own_platform.json("ask", "put quinces on my shopping list")["outcome"] == "answered"
    refused = _full(own_platform, junk, 100)
    assert refused.returncode == 1 and "is full: free some space" in refused.stderr.replace("\n", " ")
    assert "Traceback" not in refused.stderr
    # The past can still be told.
    before = own_platform.json("turns")
    assert any(t["text"] == "put quinces on my shopping list" and t["outcome"] == "answered" for t in before)
    assert own_platform.cli("ask", "what is two plus two").returncode == 1
    junk.unlink()
    _until_it_works(own_platform)
    said = own_platform.json("ask", "what is on my shopping list")["reply"]
    for turn in own_platform.json("turns", "--limit", "100"):
        if turn["text"].startswith("put "):
            assert said.count(turn["text"].split()[1]) == (turn["outcome"] == "answered"), (turn, said)
    assert own_platform.end() == 0
    assert "Traceback" not in own_platform.log


def _until_it_works(platform: Platform) -> None:
    for _ in range(20):
        done = platform.cli("ask", "what is two plus two")
        if done.returncode == 0:
            return
        assert "is full" in done.stderr.replace("\n", " "), done.stderr
    raise AssertionError("it never worked again")


def test_on_a_full_disk_it_does_not_start_and_says_why(own_platform: Platform, small_disk: Path) -> None:
    own_platform.home = small_disk / "home"
    fill(small_disk / "junk")
    done = own_platform.cli("run")
    assert done.returncode == 1
    assert "full" in done.stderr and "Traceback" not in done.stderr
    (small_disk / "junk").unlink()
    own_platform.start()
    assert own_platform.json("ask", "what is two plus two")["outcome"] == "answered"
