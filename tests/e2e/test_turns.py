"""One spoken turn through every service, as a user types it."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Platform
from tests.e2e.spoken import AUDIO, REQUESTS, import_examples
from tests.e2e.words import plain, transcribe, word_errors


@pytest.fixture(scope="module", autouse=True)
def _personal(platform: Platform) -> None:
    import_examples(platform)


def test_spoken_requests_are_answered_rightly_in_words_that_are_understood(platform: Platform, tmp_path: Path) -> None:
    """All seven, and the timer goes off; of what Whisper hears in the replies at most one word in ten is wrong."""
    wrong = words = 0
    for request in REQUESTS:
        out = tmp_path / f"{request.name}.wav"
        stay = ("--stay", "15") if request.intent == "timer.set" else ()
        told = platform.json("say", request.file, "--out", out, *stay)
        assert told["outcome"] == "answered" and request.is_right(told), told
        assert {"gateway", "speech", "intent", "dialogue", "tts"} <= {s["name"] for s in told["stages"]}
        assert all(s["end_ms"] >= s["start_ms"] for s in told["stages"]) and told["audio_seconds"] > 0.5
        assert ("timer is done" in told["unasked"]) == bool(stay), told
        said = f"{told['reply']} {told['unasked']}".strip()
        errors, of = word_errors(said, heard := transcribe(out))
        wrong, words = wrong + errors, words + of
        print(f"{errors}/{of}  said: {said}  heard: {heard}")
    print(f"word errors of the spoken replies: {wrong}/{words} = {wrong / words:.1%}")
    assert wrong / words <= 0.10


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


def test_stats_tell_what_the_turns_were_and_cost(platform: Platform) -> None:
    before = platform.json("stats")
    asked = [platform.json("ask", "what is seven times twelve"), platform.json("ask", "why is the sky blue")]
    told = platform.json("stats", "--days", "2")
    assert all(turn["outcome"] == "answered" for turn in asked)
    assert told["turns"] == before["turns"] + 2 and told["open"] == 0
    assert sum(day["turns"] for day in told["days"]) == sum(o["turns"] for o in told["outcomes"]) == told["turns"]
    assert {"tts", "intent", "dialogue", "llm", "actions", "turn"} <= {s["stage"] for s in told["latency"]}
    assert all(0 <= s["p50_ms"] <= s["p95_ms"] for s in told["latency"])
    usage = {(u["stage"], u["provider"]): u for u in told["usage"]}
    earlier = {(u["stage"], u["provider"]): u for u in before["usage"]}
    new = usage["tts", "hibari"]["characters"] - earlier.get(("tts", "hibari"), {"characters": 0})["characters"]
    assert new >= len(asked[0]["reply"]) and usage["llm", "unconfigured"]["requests"] >= 1
    assert told["left_device"] == []
    assert platform.json("stats", "--run", "nobody")["turns"] == 0
    text = platform.cli("stats").stdout
    assert "were answered" in text and "Nothing left this device." in text and "seven" not in text


def test_usage_and_egress_tell_whose_questions_went_where(platform: Platform) -> None:
    assert platform.json("ask", "why is the sky blue")["outcome"] == "answered"
    told = platform.json("usage", "--days", "1")
    (asked,) = [u for u in told["usage"] if u["provider"] == "unconfigured"]
    assert asked["requests"] >= 1 and asked["user"] == "owner" and asked["cost_usd"] == "0.00"
    assert {(b["of"], b["period"], b["spent_usd"]) for b in told["budgets"]} >= {
        ("deployment", "day", "0.00"),
        ("deployment", "month", "0.00"),
    }
    assert platform.json("egress", "--user", "owner") == {"requests": [], "more": False}
    assert "everybody" in platform.cli("usage").stdout
    assert platform.cli("egress", "--days", "7").stdout == "Nothing was sent to a model in the last 7 days.\n"
    assert platform.cli("egress", "--left").stdout == "Nothing left this device in the last 30 days.\n"
    assert platform.cli("egress", "--limit", "0").returncode == platform.cli("usage", "--days", "0").returncode == 2


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
