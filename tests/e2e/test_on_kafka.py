"""All services in one process on a real Kafka broker: the same turns, the same history, no loss with the process."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Platform
from tests.e2e.spoken import AUDIO

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def on_kafka(own_kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = Platform(tmp_path_factory.mktemp("kafka") / "home", extra={"PARLANCE_BUS": own_kafka_url})
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_without_its_topics_it_says_what_to_type(on_kafka: Platform) -> None:
    done = on_kafka.cli("run")
    finding = next(f for f in on_kafka.json("doctor", code=1) if f["what"] == "kafka")
    assert finding["state"] == "bad" and "topics apply" in finding["told"]
    assert done.returncode == 1 and "type: parlance topics apply --bus kafka://127.0.0.1:" in done.stderr


def test_typed_and_spoken_turns_are_answered_told_and_run_again(on_kafka: Platform) -> None:
    assert on_kafka.cli("topics", "apply").stdout.count("+ ") == 13
    on_kafka.start()
    assert {"state": "good", "what": "kafka"}.items() <= on_kafka.json("doctor")[-3].items()
    asked = on_kafka.json("ask", "what is seven times twelve")
    assert "84" in asked["reply"]
    said = on_kafka.json("say", AUDIO / "what-is-seven-times-twelve.wav")
    assert "84" in said["reply"] and all(s["end_ms"] >= s["start_ms"] for s in said["stages"])
    assert [t["turn_id"] for t in on_kafka.json("turns")] == [said["turn_id"], asked["turn_id"]]
    again = on_kafka.json("replay", "turn", asked["turn_id"], "--verify")
    assert again["verified"] and len(again["events"]) == 3
    assert on_kafka.end() == 0
    assert [t["turn_id"] for t in on_kafka.json("turns")] == [said["turn_id"], asked["turn_id"]], (
        "read from Kafka itself"
    )


def test_after_kill_9_the_turn_ends_once_and_its_effect_is_there_once(on_kafka: Platform) -> None:
    on_kafka.start()
    assert on_kafka.json("ask", "put tea on my shopping list")["outcome"] == "answered"
    on_kafka.kill()
    on_kafka.start()
    shown = on_kafka.json("ask", "what is on my shopping list")
    assert shown["reply"].count("tea") == 1
    turns = _all_ended(on_kafka)
    for turn in turns:
        told = on_kafka.json("turn", turn["turn_id"])
        assert [s["event"] for s in told["stages"]].count("TurnCompleted") == 1


def _all_ended(platform: Platform) -> list[dict[str, Any]]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        turns: list[dict[str, Any]] = platform.json("turns")
        if all(t["outcome"] for t in turns):
            return turns
        time.sleep(0.5)
    raise AssertionError("a turn without an end")
