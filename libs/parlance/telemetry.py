"""One span per stage: the log itself is the trace.

A record says when work on it began (header `began_us`) and when it was appended (ts); its message says what caused it.
So a turn's spans are a projection: trace id and span ids derive from the turn's and the events' ids, and nothing on the
way of a turn waits for an exporter. What a model or an action did is named as OpenTelemetry's GenAI conventions do, the
rest by its event; content is never in a span.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from parlance.codes import code_of
from parlance.events import payload
from parlance.history import Past, told
from parlance.money import dollars
from parlance.v1.gateway_service_pb2 import GetTurnResponse, Step
from parlance.v1.llm_pb2 import Attempt, UsageRecorded
from parlance.v1.llm_service_pb2 import Finish
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import END_FAILED, End, ErrorCode, Tier

# Of llm's events the usage: there is one for each attempt, and it says which model was asked and when.
_OPERATION = {
    ("speech", "FinalTranscript"): "speech_to_text",
    ("llm", "UsageRecorded"): "chat",
    ("tts", "ClauseSpoken"): "text_to_speech",
    ("actions", "EffectRecorded"): "execute_tool",
}
_TURN = "invoke_agent"
# The conventions' own names of vendors, where they differ from ours.
_VENDORS = {"google": "gcp.gemini"}
_INTERRUPTED = {Reason.REASON_INTERRUPTED, Reason.REASON_SUPERSEDED, Reason.REASON_CUT_IN}

Attribute = str | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Times are microseconds since 1970 (UTC); ids are hex, 32 and 16 digits. What is "" or () is not sent."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_us: int
    end_us: int
    attributes: Mapping[str, Attribute]
    # Whose work it was.
    service: str = "parlance"
    failed: bool = False
    # The span of what caused it, where that is not its parent.
    cause_id: str = ""


def spans(past: Past) -> Iterator[Span]:
    """The spans of a turn, the whole turn (invoke_agent) first. What a model or an action did is its child; of what
    else happened the event that caused it is the parent."""
    turn, base = told(past), past.header.accepted_at_us
    trace_id = _hex(past.header.turn_id, 32)
    root = _hex(past.header.turn_id[::-1], 16)
    end = max((s.end_us for s in turn.steps), default=0)
    failed = turn.summary.outcome == Outcome.OUTCOME_FAILED
    yield Span(trace_id, root, "", _TURN, base, base + end, _of_turn(turn, failed), failed=failed)
    known = {s.event_id for s in turn.steps}
    bodies = {s.event.header.event_id: payload(s.event) for s in past.seen}
    for step in turn.steps:
        cause = _hex(step.causation_id, 16) if step.causation_id in known else ""
        operation = _OPERATION.get((step.name, step.event), "")
        body = bodies[step.event_id]
        began, ended = base + step.start_us, base + step.end_us
        attributes = _of_step(step, operation)
        if isinstance(body, UsageRecorded):
            attributes |= _of_attempt(body)
            ended = min(ended, began + body.took_us) if body.took_us > 0 else ended
        yield Span(
            trace_id,
            _hex(step.event_id, 16),
            root if operation else cause or root,
            operation or step.event,
            began,
            ended,
            attributes,
            step.name,
            failed="error.type" in attributes,
            cause_id=cause if operation else "",
        )


def _of_turn(turn: GetTurnResponse, failed: bool) -> dict[str, Attribute]:
    outcome, reason = code_of(Outcome, turn.summary.outcome), code_of(Reason, turn.summary.reason)
    error = code_of(ErrorCode, turn.error.code) if turn.HasField("error") else ""
    return {
        "gen_ai.operation.name": _TURN,
        "gen_ai.agent.name": "parlance",
        "gen_ai.agent.invocation.end_reason": "" if failed else _end_reason(turn.summary.reason),
        "parlance.intent": turn.summary.intent,
        "parlance.outcome": outcome,
        "parlance.reason": reason,
        "error.type": (error or reason) if failed else "",
    }


def _end_reason(reason: int) -> str:
    """The conventions' word for it. What failed has an error.type instead."""
    if reason in _INTERRUPTED:
        return "interrupted"
    return "session_closed" if reason == Reason.REASON_NOBODY_THERE else "completed"


def _of_step(step: Step, operation: str) -> dict[str, Attribute]:
    provider, _, model = step.provider.partition(":")
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _VENDORS.get(provider, provider),
        "gen_ai.request.model": model,
        "parlance.event": step.event,
        "parlance.route_version": step.route_version,
    }


def _of_attempt(body: UsageRecorded) -> dict[str, Attribute]:
    """What one request to a model was, took and cost; seconds, tokens, US dollars."""
    finish = code_of(Finish, body.finish)
    made: dict[str, Attribute] = {
        "gen_ai.response.finish_reasons": (finish,) if finish else (),
        "gen_ai.usage.input_tokens": body.input_tokens,
        "gen_ai.usage.output_tokens": body.output_tokens,
        "parlance.attempt": body.attempt,
        "parlance.attempt.why": code_of(Attempt, body.why),
        "parlance.attempt.end": code_of(End, body.end),
        "parlance.rule": body.rule,
        "parlance.tier": code_of(Tier, body.tier),
        "parlance.cost_usd": dollars(body.cost_nanos),
        "parlance.usage.estimated": "true" if body.estimated else "",
    }
    if body.first_us > 0:
        made["gen_ai.response.time_to_first_chunk"] = body.first_us / 1e6
    rest = {
        "cache_read.input_tokens": body.cache_read_tokens,
        "cache_write.input_tokens": body.cache_write_tokens,
        "reasoning.output_tokens": body.reasoning_tokens,
    }
    made |= {f"gen_ai.usage.{name}": count for name, count in rest.items() if count}
    if body.end == END_FAILED:
        made["error.type"] = code_of(ErrorCode, body.error) or "_OTHER"
    return made


def _hex(uuid: str, digits: int) -> str:
    return uuid.replace("-", "")[:digits].ljust(digits, "0")
