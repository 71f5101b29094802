"""One spoken turn through every service, as a user types it."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Platform
from tests.e2e.words import plain, reply_in_sound

AUDIO = ROOT / "examples/audio"


@pytest.fixture(scope="module", autouse=True)
def _personal(platform: Platform) -> None:
    for kind, file in (("contacts", "contacts.vcf"), ("calendar", "calendar.ics")):
        done = platform.json("import", kind, ROOT / "examples" / file)
        assert done["added"] > 0 and not done["problems"]


SPOKEN = [
    ("what-time-is-it-in-tokyo", "time.now", r"tokyo"),
    ("what-is-seven-times-twelve", "calc.evaluate", r"\b84\b"),
    ("put-milk-on-my-shopping-list", "list.add", r"milk"),
    ("whats-on-my-shopping-list", "list.show", r"milk"),
    ("when-is-my-next-meeting", "calendar.next", r"from your calendar"),
    ("what-is-annas-number", "contacts.phone", r"from your contacts"),
]


@pytest.mark.parametrize(("name", "intent", "reply"), SPOKEN)
def test_a_spoken_request_is_answered_rightly_and_aloud(
    platform: Platform, tmp_path: Path, name: str, intent: str, reply: str
) -> None:
    told = platform.json("say", AUDIO / f"{name}.wav", "--out", tmp_path / "reply.wav")
    assert told["outcome"] == "answered" and told["intent"] == intent
    assert re.search(reply, told["reply"].lower())
    assert {"gateway", "speech", "intent", "dialogue", "tts"} <= {s["name"] for s in told["stages"]}
    assert all(s["end_ms"] >= s["start_ms"] for s in told["stages"])
    assert told["audio_seconds"] > 0.5
    assert reply_in_sound(tmp_path / "reply.wav", told["reply"]) <= 0.25


def test_a_timer_goes_off_and_says_so(platform: Platform, tmp_path: Path) -> None:
    out = tmp_path / "timer.wav"
    told = platform.json("say", AUDIO / "set-a-timer-for-ten-seconds.wav", "--stay", "15", "--out", out)
    assert told["intent"] == "timer.set" and told["outcome"] == "answered"
    assert "timer is done" in told["unasked"]
    assert reply_in_sound(out, f"{told['reply']} {told['unasked']}") <= 0.25


def test_a_speech_is_heard_word_for_word(platform: Platform) -> None:
    told = platform.json("say", AUDIO / "jfk.flac")
    assert plain(told["transcript"]) == plain(
        "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
    )
    assert told["intent"] == "chat" and "parlance routes set llm" in told["reply"]


def test_a_turn_can_be_looked_at_and_run_again(platform: Platform) -> None:
    asked = platform.json("ask", "what is seven times twelve")
    turn = platform.json("turn", asked["turn_id"][:8])
    events = [s["event"] for s in turn["stages"]]
    for event in ("TurnAccepted", "IntentRecognized", "EffectRecorded", "ReplyClause", "TurnCompleted", "ClauseSpoken"):
        assert event in events
    ids = {s["event_id"] for s in turn["stages"]}
    clause = next(s for s in turn["stages"] if s["event"] == "ReplyClause")
    assert clause["caused_by"] in ids
    again = platform.json("replay", "turn", asked["turn_id"], "--verify")
    assert again["verified"] and len(again["events"]) == 3
    assert platform.json("turns")[0]["turn_id"] == asked["turn_id"]


def test_a_route_changes_the_voice_from_the_next_clause_on(platform: Platform) -> None:
    assert platform.cli("routes", "set", "tts", "tone:").returncode == 0
    try:
        told = platform.json("ask", "what is two plus two")
        spoken = next(s for s in told["stages"] if s["event"] == "ClauseSpoken")
        assert spoken["provider"].startswith("tone")
    finally:
        platform.cli("routes", "set", "tts", "hibari:")
    routes = {r["stage"]: r for r in platform.json("routes")}
    assert routes["tts"]["target"] == "hibari:" and routes["tts"]["version"] == "v2"


def test_an_unknown_provider_is_refused_and_changes_nothing(platform: Platform) -> None:
    before = platform.json("routes")
    done = platform.cli("routes", "set", "tts", "nobody:x")
    assert done.returncode == 2 and "known:" in done.stderr
    assert platform.json("routes") == before


def test_doctor_finds_this_machine_fit(platform: Platform) -> None:
    findings = json.loads(platform.cli("doctor", "--json").stdout)
    assert all(f["state"] != "bad" for f in findings)
