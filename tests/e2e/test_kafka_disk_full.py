"""A broker whose disk is full: who waits is told, who asks is refused with a sentence, and nothing is lost."""

import contextlib
import subprocess
import time
from pathlib import Path

import pytest

from services.gateway.door import SAY_UNWRITTEN
from tests import kafka_broker
from tests.e2e.conftest import Platform
from tests.kafka_broker import MavenBroker
from tests.small_disk import fill, small_disk

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

# An asker who is told nothing for so long goes away; one that waits is told after a turn's time.
LEAVES_S = 20.0


def test_a_broker_that_is_full_is_said_and_waited_for_and_nothing_is_lost(
    own_platform: Platform, tmp_path: Path
) -> None:
    if kafka_broker.kind() == "docker":
        pytest.skip("the broker's disk is in a container: PARLANCE_TEST_DOCKER=no takes Maven's")
    with small_disk(tmp_path / "disk", 48) as disk:
        broker = kafka_broker.broker(disk / "broker")
        assert isinstance(broker, MavenBroker)
        broker.start()
        try:
            _full_and_back(own_platform, broker, disk / "junk")
        finally:
            (disk / "junk").unlink(missing_ok=True)
            broker.forget()


def _full_and_back(platform: Platform, broker: MavenBroker, junk: Path) -> None:
    platform.extra["PARLANCE_BUS"] = broker.url
    assert platform.cli("topics", "apply").returncode == 0
    platform.start()
    assert platform.json("ask", "put quinces on my shopping list")["outcome"] == "answered"
    fill(junk)
    asked = 0
    while broker.runs():  # it has some room left in the blocks that it has begun
        with contextlib.suppress(subprocess.TimeoutExpired):  # accepted, and now its end cannot come
            platform.cli("ask", f"put item{asked} on my shopping list", timeout=LEAVES_S)
        asked += 1
    waited = platform.cli("ask", "put figs on my shopping list")
    assert waited.returncode == 1 and "check the broker" in (waited.stdout + waited.stderr).replace("\n", " "), waited
    refused = platform.json("ask", "put marzipan on my shopping list", code=1)
    assert (refused["outcome"], refused["reply"]) == ("refused", SAY_UNWRITTEN) and refused["audio_seconds"] > 1
    doctor = platform.json("doctor", code=1)
    assert any(f["what"] == "kafka" and f["state"] == "bad" for f in doctor)
    junk.unlink()
    broker.start()
    _until_it_works(platform)
    said = platform.json("ask", "what is on my shopping list")["reply"]
    turns = [t for t in platform.json("turns", "--limit", "100") if t["text"].startswith("put ")]
    items = {t["text"].split()[1] for t in turns}
    assert items - {"figs"} == {"quinces", *(f"item{n}" for n in range(asked))} and "marzipan" not in said
    assert all(t["outcome"] for t in turns), "each that was taken has its one end"
    for turn in turns:
        assert said.count(turn["text"].split()[1]) == (turn["outcome"] == "answered"), (turn, said)
    assert platform.end() == 0 and "Traceback" not in platform.log, platform.log


def _until_it_works(platform: Platform) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if platform.cli("ask", "what is two plus two").returncode == 0:
            return
    raise AssertionError("it never worked again")
