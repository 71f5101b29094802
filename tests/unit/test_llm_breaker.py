"""A target that fails again and again is left alone, and tried once before it is trusted."""

import pytest

from parlance.errors import (
    InvalidRequest,
    ParlanceError,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
)
from services.llm.breaker import Breaker

NAME = "openai:gpt"


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def failing(times: int, error: ParlanceError | None = None) -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock, failures=3, open_s=10)
    for _ in range(times):
        breaker.begins(NAME)
        breaker.ended(NAME, error or Unavailable("no"))
    return breaker, clock


def test_it_opens_after_some_failures_in_a_row_for_this_target_alone() -> None:
    breaker, _ = failing(2)
    assert breaker.why_not(NAME) == ""
    breaker.ended(NAME, RateLimited("it is asked too often"))
    assert breaker.why_not(NAME) == "it failed and is left alone for 10 s more: it is asked too often"
    assert breaker.why_not("anthropic:claude") == ""


def test_an_answer_in_between_begins_the_count_again() -> None:
    breaker, _ = failing(2)
    breaker.ended(NAME, None)
    breaker.ended(NAME, Unavailable("no"))
    assert breaker.why_not(NAME) == ""


@pytest.mark.parametrize("error", [Refused("no"), InvalidRequest("no")])
def test_what_failed_for_its_question_says_nothing_of_the_target(error: ParlanceError) -> None:
    breaker, _ = failing(9, error)
    assert breaker.why_not(NAME) == ""


def test_a_quota_that_is_used_up_opens_it_at_once() -> None:
    breaker, _ = failing(1, QuotaExhausted("its bill is not paid"))
    assert "its bill is not paid" in breaker.why_not(NAME)


def test_one_question_that_is_forbidden_does_not_keep_the_others_from_being_asked() -> None:
    breaker, _ = failing(1, PermissionDenied("no"))
    assert breaker.why_not(NAME) == ""
    breaker, _ = failing(3, PermissionDenied("the key may not ask"))
    assert "the key may not ask" in breaker.why_not(NAME)


def test_after_a_while_one_question_is_let_through_and_decides() -> None:
    breaker, clock = failing(3)
    clock.s += 10.1
    assert breaker.why_not(NAME) == ""
    breaker.begins(NAME)
    assert breaker.why_not(NAME) == "it failed and is being tried again just now"
    breaker.ended(NAME, Unavailable("no"))
    assert "left alone for 10 s" in breaker.why_not(NAME)
    clock.s += 10.1
    breaker.begins(NAME)
    breaker.ended(NAME, None)
    assert breaker.why_not(NAME) == ""


def test_a_probe_that_is_taken_back_lets_the_next_one_through() -> None:
    breaker, clock = failing(3)
    clock.s += 10.1
    breaker.begins(NAME)
    breaker.let_go(NAME)
    assert breaker.why_not(NAME) == ""
