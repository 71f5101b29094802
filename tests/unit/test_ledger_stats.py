"""What the ledger's rows add up to, and how the command line shows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from parlance.cli_stats import answered_share, stats_json, stats_tables
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import GetStatsResponse
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted, TurnsRefused
from parlance.v1.turn_pb2 import Header
from services.ledger.projections import project
from services.ledger.slices import slices
from services.ledger.stats import stats
from services.ledger.store_sqlite import SqliteLedger
from tests.unit.ledger_scene import NOON, SECOND, Log

EVER, DAY_US = "2000-01-01", 86_400 * SECOND


class Desk:
    def __init__(self, folder: Path) -> None:
        self.log, self.store = Log.at(folder), SqliteLedger(folder / "ledger.db")

    def told(self, since: str = EVER, run: str = "") -> GetStatsResponse:
        self.store.save(project(self.log.records), {})
        return stats(self.store.query, run, since)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def test_turns_are_counted_by_day_outcome_and_reason(desk: Desk) -> None:
    cancelled, interrupted = Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED
    desk.log.turn(1)
    desk.log.turn(2)
    desk.log.now_us += DAY_US
    desk.log.turn(3)
    desk.log.turn(4, outcome=cancelled, reason=interrupted)
    desk.log.tell(SessionEvent, desk.log.header(5), TurnAccepted())
    told = desk.told()
    assert [(t.day, t.outcome, t.reason, t.turns) for t in told.turns] == [
        ("2027-01-15", Outcome.OUTCOME_ANSWERED, 0, 2),
        ("2027-01-16", Outcome.OUTCOME_UNSPECIFIED, 0, 1),
        ("2027-01-16", Outcome.OUTCOME_ANSWERED, 0, 1),
        ("2027-01-16", cancelled, interrupted, 1),
    ]
    assert answered_share(told.turns) == 0.75
    assert [t.day for t in desk.told("2027-01-16").turns] == ["2027-01-16"] * 3
    assert sum(u.requests for u in desk.told("2027-01-16").usage if u.stage == "tts") == 4


def test_asked_twice_it_says_the_same(desk: Desk) -> None:
    desk.log.turn(1)
    assert desk.told() == desk.told()


def test_percentiles_are_by_the_nearest_rank_per_stage_and_provider(desk: Desk) -> None:
    for n in range(1, 41):
        desk.log.turn(n, spoken=True)
    told = {(s.stage, s.provider): s for s in desk.told().latencies}
    assert set(told) == {
        *(("turn", ""), ("speech", "whisper:tiny.en"), ("intent", "patterns"), ("dialogue", "compatible:small")),
        *(("llm", "compatible:small"), ("tts", "hibari:"), ("actions", "timer.set"), ("context", "")),
    }
    looked_up = told["context", ""]  # 701, 702, ... 740 us
    assert (looked_up.count, looked_up.p50_us, looked_up.p95_us) == (40, 720, 738)
    model = told["llm", "compatible:small"]  # each of 40,001 ... 40,040 us twice
    assert (model.count, model.p50_us, model.p95_us) == (80, 40_020, 40_038)
    turn = told["turn", ""]  # from the question to the first of the two clauses' sounds
    assert turn.count == 40 and turn.p50_us == told["tts", "hibari:"].p50_us + 10_000 and turn.measure == "first audio"


def test_usage_is_summed_per_provider_and_model_and_what_was_estimated_apart(desk: Desk) -> None:
    desk.log.turn(1, spoken=True)
    desk.log.turn(2)
    desk.log.turn(3)
    usage = {(u.stage, u.estimated): u for u in desk.told().usage}
    assert set(usage) == {("llm", False), ("llm", True), ("tts", False), ("speech", False)}
    told, counted = usage["llm", False], usage["llm", True]
    assert (told.provider, told.model, told.requests, told.input_tokens, told.output_tokens) == (
        *("compatible", "small"),
        *(4, 2 * (11 + 13), 20),
    )
    assert (counted.requests, counted.input_tokens) == (2, 24)
    assert (usage["tts", False].characters, usage["tts", False].audio_ms) == (120, 9000)
    assert (usage["speech", False].model, usage["speech", False].audio_ms) == ("tiny.en", 901)


def test_only_what_left_this_device_is_told(desk: Desk) -> None:
    desk.log.turn(1)
    told = desk.told()
    assert [(e.destination, e.requests, e.bytes_sent) for e in told.egress] == [("api.example.org", 2, 200)]
    desk.store.save({("ledger_call", ("", "near", 0)): {"day": EVER, "destination": "127.0.0.1:8000"}}, {})
    assert desk.told().egress == told.egress


def test_a_run_is_told_apart(desk: Desk) -> None:
    desk.log.turn(1)
    desk.log.turn(1, run="load-1")
    desk.log.turn(2, run="load-1")
    assert sum(t.turns for t in desk.told().turns) == 1
    load = desk.told(run="load-1")
    assert sum(t.turns for t in load.turns) == 2 and {u.requests for u in load.usage if u.stage == "llm"} == {2}
    assert desk.told(run="nobody").turns == []


def test_json_holds_every_number(desk: Desk) -> None:
    desk.log.turn(1, spoken=True)
    desk.log.turn(2, outcome=Outcome.OUTCOME_FAILED, reason=Reason.REASON_ERROR)
    told = stats_json(desk.told())
    assert (told["turns"], told["open"], told["answered_share"], told["run"]) == (2, 0, 0.5, None)
    assert {"outcome": "failed", "reason": "error", "turns": 1} in told["outcomes"]
    assert {"day": "2027-01-15", "outcome": "answered", "reason": None, "turns": 1} in told["days"]
    model = next(u for u in told["usage"] if u["stage"] == "llm" and u["estimated"])
    assert (model["provider"], model["model"], model["input_tokens"]) == ("compatible", "small", 24)
    assert told["left_device"][0]["bytes_sent"] == 400
    speech = next(s for s in told["latency"] if s["stage"] == "speech")
    assert speech["p50_ms"] == speech["p95_ms"] == 1.0


def test_what_was_refused_at_the_door_is_counted_by_run(desk: Desk) -> None:
    desk.log.turn(1)
    for n, run in enumerate(("", "", "run-1")):
        header = Header(run=run, user_id="anna", accepted_at_us=NOON, time_zone="UTC")
        desk.log.tell(SessionEvent, header, TurnsRefused(turns=20 + n))
    told = stats_json(desk.told())
    refused = next(o for o in told["outcomes"] if o["outcome"] == "refused")
    assert (refused["reason"], refused["turns"], told["turns"]) == ("overloaded", 41, 42)
    assert "overloaded" in shown(desk.told())


def test_latencies_are_told_by_slices_of_time(desk: Desk) -> None:
    for n in range(4):
        desk.log.turn(n, run="run-1")
        desk.log.now_us += 10 * SECOND
    desk.told()
    found = slices(desk.store.query, "run-1", EVER, 20 * SECOND)
    by_stage: dict[str, list[int]] = {}
    for one in found:
        assert one.at_us % (20 * SECOND) == 0 and one.p50_us <= one.p95_us
        by_stage.setdefault(one.stage, []).append(one.count)
    totals = {s.stage: s.count for s in desk.told(run="run-1").latencies if s.stage != "turn"}
    assert {stage: sum(counts) for stage, counts in by_stage.items() if stage != "context"} == {
        stage: count for stage, count in totals.items() if stage != "context"
    }
    assert len(by_stage["intent"]) >= 2 and slices(desk.store.query, "", EVER, SECOND) == []
    with pytest.raises(InvalidRequest, match="a slice is"):
        slices(desk.store.query, "run-1", EVER, 5)


def shown(told: GetStatsResponse) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(stats_tables(told))
    return captured.get()


def test_people_see_tables(desk: Desk) -> None:
    assert shown(desk.told()) == "No turns since 2000-01-01.\n"
    desk.log.turn(1)
    desk.log.turn(2, outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_POLICY)
    text = shown(desk.told())
    for words in ("2 turns since 2000-01-01; 50% of those that ended were answered", "refused", "policy", "estimated"):
        assert words in text
    for words in ("compatible:small", "first audio", "api.example.org", "400"):
        assert words in text
