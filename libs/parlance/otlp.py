"""Spans as OTLP/HTTP JSON (opentelemetry-proto 1.x), sent with what Python brings: one request every few seconds."""

import json
import urllib.request
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from parlance.errors import Unavailable
from parlance.telemetry import Attribute, Span

_TIMEOUT_S = 5.0
_INTERNAL = 1
_ERROR = 2


def request_of(spans: Iterable[Span]) -> dict[str, Any]:
    """An ExportTraceServiceRequest: each service is a resource of its own."""
    ordered = sorted(spans, key=lambda s: s.service)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_attribute("service.name", service)]},
                "scopeSpans": [{"scope": {"name": "parlance"}, "spans": [_span(s) for s in group]}],
            }
            for service, group in groupby(ordered, key=lambda s: s.service)
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    """Ids are hex and 64-bit numbers are strings: OTLP's JSON differs from protobuf's in the first. What took no time
    is given a nanosecond, for Jaeger complains of a span that ends when it begins."""
    began = span.start_us * 1000
    made: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(max(span.end_us * 1000, began + 1)),
        "attributes": [_attribute(*told) for told in span.attributes.items() if told[1] not in ("", ())],
    }
    if span.parent_id:
        made["parentSpanId"] = span.parent_id
    if span.cause_id:
        made["links"] = [{"traceId": span.trace_id, "spanId": span.cause_id}]
    if span.failed:
        made["status"] = {"code": _ERROR}
    return made


def _attribute(key: str, value: Attribute) -> dict[str, Any]:
    return {"key": key, "value": _value(value)}


def _value(value: Attribute) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}


def send(url: str, spans: Iterable[Span]) -> None:
    """Blocks; for a thread. `url`: the collector's, such as http://127.0.0.1:4318. Raises Unavailable."""
    body = json.dumps(request_of(spans)).encode()
    asked = urllib.request.Request(f"{url}/v1/traces", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
            answer.read()
    except (OSError, ValueError) as exc:
        raise Unavailable(f"the collector at {url} takes no spans ({type(exc).__name__}): {exc}") from exc
