"""What Prometheus is told of language models: one attempt, one count, and no word of what was asked."""

from parlance import metrics
from parlance.v1.llm_pb2 import Attempt, UsageRecorded
from parlance.v1.turn_pb2 import End, ErrorCode
from services.llm.counted import count, expect, outcome_of
from tests.unit.test_metrics import address, told

__all__ = ["address"]
HAIKU = "anthropic:claude-haiku-5-5"


def used(**more: object) -> UsageRecorded:
    made = UsageRecorded(
        provider=HAIKU,
        why=Attempt.ATTEMPT_FIRST,
        end=End.END_COMPLETE,
        input_tokens=1000,
        cache_read_tokens=600,
        output_tokens=42,
        cost_nanos=1_234_000,
        first_us=350_000,
    )
    made.MergeFrom(UsageRecorded(**more))  # type: ignore[arg-type]
    return made


def test_attempts_are_counted_by_why_and_how_they_ended(address: str) -> None:
    count(used())
    count(used(why=Attempt.ATTEMPT_FAILOVER))
    count(used(why=Attempt.ATTEMPT_FAILOVER, end=End.END_FAILED, error=ErrorCode.ERROR_CODE_RATE_LIMITED))
    count(used(why=Attempt.ATTEMPT_HEDGE, end=End.END_CANCELLED))
    found = {k: v for k, v in told(address).items() if k.startswith("parlance_llm_attempts_total")}
    assert found == {
        f'parlance_llm_attempts_total{{outcome="complete",target="{HAIKU}",why="first"}}': 1,
        f'parlance_llm_attempts_total{{outcome="complete",target="{HAIKU}",why="failover"}}': 1,
        f'parlance_llm_attempts_total{{outcome="rate_limited",target="{HAIKU}",why="failover"}}': 1,
        f'parlance_llm_attempts_total{{outcome="cancelled",target="{HAIKU}",why="hedge"}}': 1,
    }


def test_tokens_money_and_the_first_piece_are_counted_by_target(address: str) -> None:
    for _ in range(2):
        count(used())
    count(UsageRecorded(provider="scripted:echo", end=End.END_FAILED))
    found = told(address)
    assert found[f'parlance_llm_tokens_total{{kind="input",target="{HAIKU}"}}'] == 2000
    assert found[f'parlance_llm_tokens_total{{kind="cache_read",target="{HAIKU}"}}'] == 1200
    assert found[f'parlance_llm_tokens_total{{kind="output",target="{HAIKU}"}}'] == 84
    assert found[f'parlance_llm_cost_dollars_total{{target="{HAIKU}"}}'] == 0.002468
    assert found[f'parlance_llm_first_token_seconds_count{{target="{HAIKU}"}}'] == 2
    assert found[f'parlance_llm_first_token_seconds_bucket{{le="0.4",target="{HAIKU}"}}'] == 2
    assert not [k for k in found if "first_token" in k and "scripted" in k]  # no first piece came


def test_what_a_route_may_ask_is_told_as_nothing_until_it_is(address: str) -> None:
    """The first cost, and the first failover, would be no rise otherwise."""
    expect([HAIKU])
    before = told(address)
    assert before[f'parlance_llm_cost_dollars_total{{target="{HAIKU}"}}'] == 0
    assert before[f'parlance_llm_attempts_total{{outcome="quota_exhausted",target="{HAIKU}",why="failover"}}'] == 0
    for why in (Attempt.ATTEMPT_FIRST, Attempt.ATTEMPT_HEDGE):
        count(used(why=why, cache_write_tokens=1, reasoning_tokens=1))
        count(used(why=why, end=End.END_FAILED, error=ErrorCode.ERROR_CODE_UNAVAILABLE))
    new = {name for name in told(address).keys() - before.keys() if "created" not in name}
    assert new and all(name.startswith("parlance_llm_first_token_seconds") for name in new)


def test_an_end_that_nobody_told_has_a_name_too() -> None:
    assert outcome_of(UsageRecorded()) == "unknown"
    assert outcome_of(UsageRecorded(end=End.END_FAILED)) == "failed"
    assert outcome_of(UsageRecorded(end=End.END_FAILED, error=77)) == "77"  # type: ignore[arg-type]


def test_where_nobody_asks_nothing_is_counted() -> None:
    count(used())
    assert metrics._numbers is None


def test_only_names_and_codes_are_labels(address: str) -> None:
    """Neither who asked nor an id makes a series of its own: there would be one for each turn."""
    count(used(call_id="confidential", route_version="v7", rule="web"))
    assert not [k for k in told(address) if "confidential" in k or "v7" in k or "web" in k]
