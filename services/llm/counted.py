"""What Prometheus is told of an attempt, from the record of its usage: names, codes and numbers, never content."""

from collections.abc import Iterable

from parlance import metrics
from parlance.codes import code_of
from parlance.v1.llm_pb2 import Attempt, UsageRecorded
from parlance.v1.turn_pb2 import End, ErrorCode

_NANOS = 1e9
_MICROS = 1e6
_WHYS = tuple(code_of(Attempt, number) for number in Attempt.values() if number)
_ENDS = ("complete", "cancelled", *(code_of(ErrorCode, number) for number in ErrorCode.values() if number))


def expect(targets: Iterable[str]) -> None:
    """Call it when a route is in force, with all that it may ask ("anthropic:claude-haiku-5-5"): a cost that appears
    out of nothing is no rise for Prometheus, and the first one would show nowhere."""
    metrics.models(targets, _WHYS, _ENDS, _tokens(UsageRecorded()))


def count(usage: UsageRecorded) -> None:
    """Call it once for each record that is published. Without PARLANCE_METRICS it does nothing."""
    first_s = usage.first_us / _MICROS if usage.first_us > 0 else None
    metrics.attempted(usage.provider, code_of(Attempt, usage.why) or _WHYS[0], outcome_of(usage), first_s)
    metrics.used(usage.provider, _tokens(usage), max(0, usage.cost_nanos) / _NANOS)


def outcome_of(usage: UsageRecorded) -> str:
    """ "complete", "cancelled", or where it failed its code: "rate_limited"."""
    ended = code_of(End, usage.end)
    if ended != "failed":
        return ended or "unknown"
    return code_of(ErrorCode, usage.error) or ended


def _tokens(usage: UsageRecorded) -> dict[str, int]:
    told = {
        "input": usage.input_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
    }
    return {kind: max(0, count) for kind, count in told.items()}
