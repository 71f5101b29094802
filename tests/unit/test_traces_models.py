"""What a model was asked, as OpenTelemetry's GenAI conventions name it: a span for each attempt, no content."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from parlance.history import Past, seen_in
from parlance.otlp import request_of
from parlance.telemetry import Span, spans
from parlance.v1.llm_pb2 import Attempt, EgressRecorded, LlmEvent, UsageRecorded
from parlance.v1.llm_service_pb2 import Finish
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import End, ErrorCode, Header, Tier
from tests.unit.ledger_scene import SECRET, Log
from tests.unit.test_traces import told

FIRST, SECOND_TRY = (
    UsageRecorded(
        call_id="c",
        provider="google:gemini-3-flash",
        why=Attempt.ATTEMPT_FIRST,
        end=End.END_FAILED,
        error=ErrorCode.ERROR_CODE_RATE_LIMITED,
        took_us=120_000,
    ),
    UsageRecorded(
        call_id="c",
        attempt=1,
        provider="anthropic:claude-haiku-5-5",
        why=Attempt.ATTEMPT_FAILOVER,
        end=End.END_COMPLETE,
        finish=Finish.FINISH_TOOL_CALLS,
        input_tokens=1000,
        cache_read_tokens=600,
        cache_write_tokens=30,
        output_tokens=42,
        reasoning_tokens=7,
        first_us=350_000,
        took_us=900_000,
        cost_nanos=1_234_000,
        rule="chat",
        tier=Tier.TIER_PARTNER,
        route_version="v3",
    ),
)


def made(log: Log, header: Header) -> list[Span]:
    past = Past(header)
    past.seen = [seen for r in log.records if (seen := seen_in(r)) and seen.event.header.turn_id == header.turn_id]
    return list(spans(past))


def asked(tmp_path: Path, *attempts: UsageRecorded) -> tuple[Span, list[Span], str]:
    """The span of the turn, those of its attempts at a model, and the id of the span of what asked for them."""
    log = Log.at(tmp_path)
    header = log.turn(1)
    accepted = seen_in(log.records[0])
    assert accepted is not None
    for body in attempts:
        usage = UsageRecorded()
        usage.CopyFrom(body)
        usage.began_at_us = log.now_us
        log.now_us += 2_000_000  # it is told later than it ended
        cause = Header()
        cause.CopyFrom(header)
        cause.causation_id = accepted.event.header.event_id
        log.tell(LlmEvent, cause, usage)
    root, *rest = made(log, header)
    chats = [s for s in rest if s.name == "chat"][2:]  # the first two are the scene's own
    (asks,) = [s.span_id for s in rest if s.name == "TurnAccepted"]
    return root, chats, asks


def test_each_attempt_is_a_span_with_its_own_end(tmp_path: Path) -> None:
    root, (failed, answered), asks = asked(tmp_path, FIRST, SECOND_TRY)
    assert failed.failed and not answered.failed and not root.failed
    assert failed.attributes["error.type"] == "rate_limited" and "error.type" not in answered.attributes
    assert [s.end_us - s.start_us for s in (failed, answered)] == [120_000, 900_000]
    # The turn's child, whatever asked for it; that is a link.
    assert {s.parent_id for s in (failed, answered)} == {root.span_id} and failed.cause_id == asks
    (resource,) = request_of([failed])["resourceSpans"]
    (sent,) = resource["scopeSpans"][0]["spans"]
    assert sent["links"] == [{"traceId": root.trace_id, "spanId": asks}] and sent["status"] == {"code": 2}


def test_an_attempt_is_told_in_the_conventions_words(tmp_path: Path) -> None:
    _, (failed, answered), _ = asked(tmp_path, FIRST, SECOND_TRY)
    (resource,) = request_of([answered])["resourceSpans"]
    assert told(resource["scopeSpans"][0]["spans"][0]) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-haiku-5-5",
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.response.time_to_first_chunk": 0.35,
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": 600,
        "gen_ai.usage.cache_write.input_tokens": 30,
        "gen_ai.usage.output_tokens": 42,
        "gen_ai.usage.reasoning.output_tokens": 7,
        "parlance.event": "UsageRecorded",
        "parlance.route_version": "v3",
        "parlance.attempt": 1,
        "parlance.attempt.why": "failover",
        "parlance.attempt.end": "complete",
        "parlance.rule": "chat",
        "parlance.tier": "partner",
        "parlance.cost_usd": "0.001234",
    }
    assert failed.attributes["gen_ai.provider.name"] == "gcp.gemini"
    assert "gen_ai.response.time_to_first_chunk" not in failed.attributes  # nothing came
    assert failed.attributes["gen_ai.response.finish_reasons"] == ()


def test_a_cancelled_attempt_is_no_error_and_one_that_failed_without_a_code_is(tmp_path: Path) -> None:
    cancelled, failed = (
        UsageRecorded(call_id="x", end=End.END_CANCELLED),
        UsageRecorded(call_id="y", end=End.END_FAILED),
    )
    _, chats, _ = asked(tmp_path, cancelled, failed)
    assert [(s.failed, s.attributes.get("error.type")) for s in chats] == [(False, None), (True, "_OTHER")]
    assert chats[0].attributes["parlance.attempt.end"] == "cancelled"


@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        (Outcome.OUTCOME_ANSWERED, Reason.REASON_UNSPECIFIED, "completed"),
        (Outcome.OUTCOME_ANSWERED, Reason.REASON_ASKED, "completed"),
        (Outcome.OUTCOME_REFUSED, Reason.REASON_POLICY, "completed"),
        (Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED, "interrupted"),
        (Outcome.OUTCOME_CANCELLED, Reason.REASON_SUPERSEDED, "interrupted"),
        (Outcome.OUTCOME_CANCELLED, Reason.REASON_NOBODY_THERE, "session_closed"),
        (Outcome.OUTCOME_FAILED, Reason.REASON_DEADLINE, ""),
    ],
)
def test_a_turn_says_why_it_ended(
    tmp_path: Path, outcome: Outcome.ValueType, reason: Reason.ValueType, said: str
) -> None:
    log = Log.at(tmp_path)
    root, *_ = made(log, log.turn(1, outcome=outcome, reason=reason))
    assert root.name == "invoke_agent" and root.attributes["gen_ai.agent.invocation.end_reason"] == said


def test_what_a_turn_did_hangs_below_it(tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    root, *rest = made(log, log.turn(1, spoken=True))
    operations = {s.name for s in rest if s.parent_id == root.span_id and s.attributes["gen_ai.operation.name"]}
    assert operations == {"speech_to_text", "chat", "text_to_speech", "execute_tool"}


class Open:
    """A log that nobody sealed."""

    def seal(self, event: Any) -> bytes:
        return bytes(event.SerializeToString(deterministic=True))


def test_no_content_is_in_a_span_not_even_where_the_log_were_open(tmp_path: Path) -> None:
    log = Log(Open())  # type: ignore[arg-type]
    header = log.turn(1, spoken=True, outcome=Outcome.OUTCOME_FAILED, reason=Reason.REASON_ERROR)
    log.tell(LlmEvent, header, SECOND_TRY)
    log.tell(LlmEvent, header, EgressRecorded(call_id="c", destination="api.example.org", data_classes=["question"]))
    assert any(SECRET.encode() in record.value for record in log.records)
    found = made(log, header)
    sent = json.dumps([request_of(found), [asdict(s) for s in found]])
    assert len(found) > 10 and SECRET not in sent and "anna" not in sent and "session-1" not in sent
