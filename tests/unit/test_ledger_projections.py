"""The ledger's projections: a record that comes twice, and any order between topics, give the same rows."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from parlance.bus import Record
from parlance.v1.llm_pb2 import EgressRecorded, LlmEvent, UsageRecorded
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from services.ledger.projections import Rows, merge, project
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.tables import CALL, TABLES, TURN, dump
from tests.unit.ledger_scene import NOON, SECOND, SECRET, Log, again, by_topic

# A smaller seed is no simpler case, so nothing is shrunk.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
# One log for all tests here: what hypothesis varies is how it arrives.
_FOLDER = TemporaryDirectory()
LOG = Log.at(Path(_FOLDER.name))
for number in range(6):
    LOG.turn(number, spoken=bool(number % 2), run="r1" if number == 5 else "")


def expected() -> Rows:
    return project(LOG.records)


def interleaved(records: list[Record], chance: random.Random) -> list[Record]:
    """Another order between the topics; within each its own."""
    left = list(by_topic(records).values())
    made = []
    while left:
        queue = chance.choice(left)
        made.append(queue.pop(0))
        left = [q for q in left if q]
    return made


def with_repeats(records: list[Record], chance: random.Random) -> list[Record]:
    """Some are written twice: anywhere after the first time."""
    made: list[Record] = []
    late: list[Record] = []
    for record in records:
        made.append(record)
        if chance.random() < 0.3:
            late.append(again(record, chance.randrange(1, 9) * SECOND))
        while late and chance.random() < 0.4:
            made.append(late.pop(chance.randrange(len(late))))
    return made + late


def in_batches(records: list[Record], chance: random.Random) -> list[list[Record]]:
    made = []
    while records:
        size = chance.randrange(1, 30)
        made.append(records[:size])
        records = records[size:]
    return made


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, phases=_PHASES)
def test_any_order_between_topics_and_any_repeat_give_the_same_rows(chance: random.Random) -> None:
    rows: Rows = {}
    for batch in in_batches(interleaved(with_repeats(LOG.records, chance), chance), chance):
        merge(rows, project(batch))
    assert rows == expected()


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None, phases=_PHASES)
def test_the_database_merges_as_the_projection_does(chance: random.Random) -> None:
    with TemporaryDirectory() as folder:
        store, whole = SqliteLedger(Path(folder) / "ledger.db"), SqliteLedger(Path(folder) / "whole.db")
        for batch in in_batches(interleaved(with_repeats(LOG.records, chance), chance), chance):
            store.save(project(batch), {})
        whole.save(expected(), {})
        assert dump(store.query) == dump(whole.query) != b""
        store.close()
        whole.close()


def test_a_turn_is_one_row_with_what_each_stage_told() -> None:
    row = expected()[TURN.name, ("", "turn-1")]
    assert (row["outcome"], row["modality"], row["intent"]) == (Outcome.OUTCOME_ANSWERED, 1, "chat")
    assert (row["speech_provider"], row["speech_us"], row["voiced_ms"]) == ("whisper:tiny.en", 1000, 901)
    assert (row["clause_provider"], row["clause_us"], row["intent_us"]) == ("compatible:small", 3000, 1000)
    assert row["accepted_at_us"] < row["asked_at_us"] < row["ended_at_us"]


def test_each_attempt_of_a_call_is_a_row_and_holds_usage_and_what_left() -> None:
    rows = expected()
    attempts = [rows[CALL.name, ("", "call-0l", n)] for n in range(2)]
    for row in attempts:
        assert (row["stage"], row["provider"], row["input_tokens"], row["estimated"]) == (
            "llm",
            "compatible:small",
            10,
            1,
        )
        assert (row["destination"], row["bytes_sent"], row["latency_us"]) == ("api.example.org", 100, 40_000)
    failed, answered = attempts
    for row in attempts:
        assert (row["user_id"], row["rule"], row["tier"], row["route_version"]) == ("anna", "chat", 4, "v3")
        assert (row["cost_nanos"], row["cache_read_tokens"], row["reasoning_tokens"]) == (1_000_000, 4, 2)
        assert (row["data_classes"], row["policy_version"]) == ("question,conversation", "sha256:abc")
        assert (row["region"], row["retention_days"], row["bytes_estimated"]) == ("eu", 30, 0)
    assert (failed["why"], failed["ended"], failed["error"], failed["cut"]) == (1, 3, 4, 1)
    assert (answered["why"], answered["ended"], answered["cut"]) == (2, 1, 0) and "error" not in answered
    assert failed["left_at_us"] < answered["left_at_us"]
    assert rows[CALL.name, ("", "call-0a", 0)]["provider"] == "timer.set"
    assert rows[CALL.name, ("", "call-0c", 0)]["latency_us"] == 700
    assert rows[CALL.name, ("", "call-0v1", 0)]["characters"] == 20


def test_events_of_the_version_before_say_what_they_know(tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    header = log.header(1)
    log.tell(LlmEvent, header, UsageRecorded(call_id="c", provider="compatible:small", input_tokens=7, estimated=True))
    log.tell(LlmEvent, header, EgressRecorded(call_id="c", provider="compatible:small", destination="example.org"))
    row = project(log.records)[CALL.name, ("", "c", 0)]
    assert (row["input_tokens"], row["estimated"], row["cost_nanos"], row["user_id"]) == (7, 1, 0, "anna")
    untold = {"rule", "tier", "route_version", "why", "ended", "error", "policy_version", "region", "retention_days"}
    assert not untold & row.keys() and row["began_at_us"] == log.now_us - 1000


def test_a_run_keeps_rows_of_its_own() -> None:
    runs = {key[0] for _, key in expected()}
    assert runs == {"", "r1"}
    assert {key[1] for table, key in expected() if table == TURN.name and key[0] == "r1"} == {"turn-r15"}


def test_nothing_personal_is_in_a_row(tmp_path: Path) -> None:
    """Not even where the log itself were not sealed."""

    class Open:
        def seal(self, event: Any) -> bytes:
            return event.SerializeToString(deterministic=True)

    log = Log(Open())  # type: ignore[arg-type]
    log.turn(1, spoken=True)
    assert any(SECRET.encode() in record.value for record in log.records)
    rows = project(log.records)
    users = {values.pop("user_id", None) for values in rows.values()}
    assert users == {None, "anna"}  # whose money it was; nothing else says who spoke
    assert len(rows) > 5 and SECRET not in str(rows) and "anna" not in str(rows) and "session-1" not in str(rows)


def test_a_day_is_the_one_where_the_person_was(tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    log.now_us = NOON + 14 * 3600 * SECOND  # 22:00 UTC
    zones = {"UTC": "2027-01-15", "Asia/Tokyo": "2027-01-16", "no/where": "2027-01-15"}
    for n, zone in enumerate(zones):
        log.turn(n, zone=zone)
    rows = project(log.records)
    assert [rows[TURN.name, ("", f"turn-{n}")]["day"] for n in range(3)] == list(zones.values())
    assert {values["day"] for (table, key), values in rows.items() if table == CALL.name and "call-1" in key[1]} == {
        "2027-01-16"
    }


@pytest.mark.parametrize("at_us", [-(2**63), 2**63 - 1])
def test_a_moment_that_no_calendar_has_stops_nobody(tmp_path: Path, at_us: int) -> None:
    log = Log.at(tmp_path)
    header = log.header(1)
    header.accepted_at_us = at_us
    header.asked_at_us = at_us
    log.tell(SpeechEvent, header, FinalTranscript(voiced_ms=900))
    row = project(log.records)[TURN.name, ("", "turn-1")]
    assert row["day"] == "" and row["voiced_ms"] == 900 and not {"accepted_at_us", "asked_at_us"} & set(row)
    store = SqliteLedger(tmp_path / "ledger.db")
    store.save(project(log.records), {})
    store.close()


def test_a_header_that_is_no_number_counts_as_none(tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    log.turn(1)
    for record in log.records:
        record.headers = (("began_us", b"yesterday"),)
    assert project(log.records)[TURN.name, ("", "turn-1")]["intent_us"] == 0


def test_what_is_no_event_and_what_tells_nothing_are_passed_over() -> None:
    records = [
        Record("reply.v1", 0, 0, NOON, b"", b"\xff\xff no event"),
        Record("reply.v1", 0, 1, NOON, b"", b""),
        Record("control.v1", 0, 0, NOON, b"", b""),
        Record("of.another.version", 0, 0, NOON, b"", b""),
    ]
    assert project(records) == {}


def test_a_turn_that_was_cancelled_says_why(tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    log.turn(1, outcome=Outcome.OUTCOME_CANCELLED, reason=Reason.REASON_INTERRUPTED)
    row = project(log.records)[TURN.name, ("", "turn-1")]
    assert (row["outcome"], row["reason"]) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED)


def test_no_table_has_a_column_for_words() -> None:
    """Who adds a column of text says here that nothing personal can be in it."""
    texts = {c.name for table in TABLES.values() for c in (*table.key, *table.columns) if c.type == "TEXT"}
    assert texts == {
        *("run", "turn_id", "call_id", "event_id", "day", "stage", "intent", "destination"),
        *("provider", "speech_provider", "intent_provider", "clause_provider"),
        *("user_id", "rule", "route_version", "data_classes", "policy_version", "region"),
    }
