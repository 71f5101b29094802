"""One span per stage: the log itself is the trace.

A record says when work on it began (header `began_us`) and when it was appended (ts); its message says what caused it.
So a turn's spans are a projection: trace id and span ids derive from the turn's and the events' ids, and nothing on the
way of a turn waits for an exporter. What a model or an action did is named as OpenTelemetry's GenAI conventions do, the
rest by its event; content is never in a span.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from parlance.history import Past, told
from parlance.v1.gateway_service_pb2 import GetTurnResponse, Step
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import ErrorCode

# Of llm's events the usage: there is one for each attempt, and it says which model was asked and when.
_OPERATION = {
    ("speech", "FinalTranscript"): "speech_to_text",
    ("llm", "UsageRecorded"): "chat",
    ("tts", "ClauseSpoken"): "text_to_speech",
    ("actions", "EffectRecorded"): "execute_tool",
}
_TURN = "invoke_agent"


@dataclass(frozen=True, slots=True)
class Span:
    """Times are microseconds since 1970 (UTC); ids are hex, 32 and 16 digits."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_us: int
    end_us: int
    attributes: dict[str, str]
    # Whose work it was.
    service: str = "parlance"
    failed: bool = False


def spans(past: Past) -> Iterator[Span]:
    """The spans of a turn, the whole turn (invoke_agent) first."""
    turn, base = told(past), past.header.accepted_at_us
    trace_id = _hex(past.header.turn_id, 32)
    root = _hex(past.header.turn_id[::-1], 16)
    end = max((s.end_us for s in turn.steps), default=0)
    failed = turn.summary.outcome == Outcome.OUTCOME_FAILED
    yield Span(trace_id, root, "", _TURN, base, base + end, _of_turn(turn, failed), failed=failed)
    known = {s.event_id for s in turn.steps}
    for step in turn.steps:
        parent = _hex(step.causation_id, 16) if step.causation_id in known else root
        name = _OPERATION.get((step.name, step.event), step.event)
        began, ended = base + step.start_us, base + step.end_us
        yield Span(trace_id, _hex(step.event_id, 16), parent, name, began, ended, _of_step(step), step.name)


def _of_turn(turn: GetTurnResponse, failed: bool) -> dict[str, str]:
    outcome, reason = _code(Outcome.Name(turn.summary.outcome)), _code(Reason.Name(turn.summary.reason))
    error = ErrorCode.Name(turn.error.code).removeprefix("ERROR_CODE_").lower() if turn.HasField("error") else ""
    return {
        "gen_ai.operation.name": _TURN,
        "parlance.intent": turn.summary.intent,
        "parlance.outcome": outcome,
        "parlance.reason": reason,
        "error.type": (error or reason) if failed else "",
    }


def _of_step(step: Step) -> dict[str, str]:
    provider, _, model = step.provider.partition(":")
    return {
        "gen_ai.operation.name": _OPERATION.get((step.name, step.event), ""),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "parlance.event": step.event,
        "parlance.route_version": step.route_version,
    }


def _code(name: str) -> str:
    """OUTCOME_ANSWERED: "answered"; the unspecified one: ""."""
    code = name.partition("_")[2].lower()
    return "" if code == "unspecified" else code


def _hex(uuid: str, digits: int) -> str:
    return uuid.replace("-", "")[:digits].ljust(digits, "0")
