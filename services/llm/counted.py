"""What Prometheus is told of an attempt, from the record of its usage: names, codes and numbers, never content."""

from parlance import metrics
from parlance.codes import code_of
from parlance.v1.llm_pb2 import Attempt, UsageRecorded
from parlance.v1.turn_pb2 import End, ErrorCode

_NANOS = 1e9
_MICROS = 1e6


def count(usage: UsageRecorded) -> None:
    """Call it once for each record that is published. Without PARLANCE_METRICS it does nothing."""
    metrics.attempted(
        usage.provider,
        code_of(Attempt, usage.why) or "first",
        outcome_of(usage),
        usage.first_us / _MICROS if usage.first_us > 0 else None,
    )
    tokens = {
        "input": usage.input_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
    }
    metrics.used(usage.provider, {kind: n for kind, n in tokens.items() if n > 0}, max(0, usage.cost_nanos) / _NANOS)


def outcome_of(usage: UsageRecorded) -> str:
    """ "complete", "cancelled", or where it failed its code: "rate_limited"."""
    ended = code_of(End, usage.end)
    if ended != "failed":
        return ended or "unknown"
    return code_of(ErrorCode, usage.error) or ended
