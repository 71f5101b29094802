"""One span per stage: the log itself is the trace.

A record says when work on it began (header `began_us`) and when it was appended (ts); its message says what caused it.
So a turn's spans are a projection: trace id and span ids derive from the turn's and the events' ids, and nothing on the
way of a turn waits for an exporter. Names follow OpenTelemetry's GenAI conventions; content is never in a span.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from parlance.history import Past, told

_OPERATION = {"speech": "speech_to_text", "llm": "chat", "tts": "text_to_speech", "actions": "execute_tool"}


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


def spans(past: Past) -> Iterator[Span]:
    """The spans of a turn, the whole turn (invoke_agent) first."""
    turn, base = told(past), past.header.accepted_at_us
    trace_id = _hex(past.header.turn_id, 32)
    root = _hex(past.header.turn_id[::-1], 16)
    end = max((s.end_us for s in turn.steps), default=0)
    yield Span(trace_id, root, "", "invoke_agent", base, base + end, {"parlance.intent": turn.summary.intent})
    known = {s.event_id for s in turn.steps}
    for step in turn.steps:
        attributes = {"parlance.event": step.event, "parlance.route_version": step.route_version}
        if step.provider:
            attributes["gen_ai.provider.name"] = step.provider
        parent = _hex(step.causation_id, 16) if step.causation_id in known else root
        name = _OPERATION.get(step.name, step.name)
        began, ended = base + step.start_us, base + step.end_us
        yield Span(trace_id, _hex(step.event_id, 16), parent, name, began, ended, attributes, step.name)


def _hex(uuid: str, digits: int) -> str:
    return uuid.replace("-", "")[:digits].ljust(digits, "0")
