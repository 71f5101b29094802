"""The columns of a language model's attempt: what it used, and what left for it.

Fields that a version before did not know are told as nothing; what such events say nothing of stays empty.
"""

from typing import Any

from parlance.v1.llm_pb2 import EgressRecorded, UsageRecorded
from parlance.v1.turn_pb2 import Header


def used(header: Header, body: UsageRecorded, ts_us: int) -> dict[str, Any]:
    """`ts_us`: when the event was written."""
    return _ruled(header, body) | {
        "began_at_us": body.began_at_us or ts_us,
        "latency_us": body.first_us or None,
        "took_us": body.took_us,
        "input_tokens": body.input_tokens,
        "output_tokens": body.output_tokens,
        "estimated": int(body.estimated),
        "cache_read_tokens": body.cache_read_tokens,
        "cache_write_tokens": body.cache_write_tokens,
        "reasoning_tokens": body.reasoning_tokens,
        "cost_nanos": body.cost_nanos,
        "why": body.why or None,
        "ended": body.end or None,
        "error": body.error or None,
    }


def left(header: Header, body: EgressRecorded, ts_us: int) -> dict[str, Any]:
    """Before the catalogue had versions nobody told what a vendor promises to keep."""
    return _ruled(header, body) | {
        "left_at_us": ts_us,
        "destination": body.destination,
        "bytes_sent": body.bytes_sent,
        "bytes_received": body.bytes_received,
        "data_classes": ",".join(body.data_classes),
        "policy_version": body.policy_version or None,
        "region": body.region or None,
        "retention_days": body.retention_days if body.policy_version else None,
        "cut": int(body.cut),
        "bytes_estimated": int(body.estimated),
    }


def _ruled(header: Header, body: UsageRecorded | EgressRecorded) -> dict[str, Any]:
    """Whose call it was (of a model's alone that is kept: it costs money and lets words leave), and under what."""
    return {
        "provider": body.provider,
        "user_id": header.user_id or None,
        "rule": body.rule or None,
        "route_version": body.route_version or None,
        "tier": body.tier or None,
    }
