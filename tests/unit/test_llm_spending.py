"""Budgets: reserved before a call, settled after it, by the day and the month, for each user, rule and run."""

import pytest

from parlance.v1.control_pb2 import Budget, LlmBudgets, LlmRule, RouteSet
from parlance.v1.llm_pb2 import UsageRecorded
from parlance.v1.turn_pb2 import Header
from services.llm.spending import Spending, limited

CENT = 10_000_000
RULE = LlmRule(name="web")
ANNA, BEN = Header(user_id="anna"), Header(user_id="ben")
# 2026-11-30 23:00 UTC
NOW = 1_796_079_600_000_000
HOUR = 3_600_000_000


class Now:
    us = NOW

    def __call__(self) -> int:
        return self.us


def route(deployment: int = 0, user: int = 0, rule: int = 0, month: int = 0) -> RouteSet:
    budgets = LlmBudgets(deployment=Budget(day_nanos=deployment, month_nanos=month), user=Budget(day_nanos=user))
    return RouteSet(budgets=budgets, rules=[LlmRule(name="web", budget=Budget(day_nanos=rule))])


def used(cents: int, call: str = "c", rule: str = "web", us: int = NOW) -> UsageRecorded:
    return UsageRecorded(call_id=call, rule=rule, cost_nanos=cents * CENT, began_at_us=us)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (route(deployment=5 * CENT), "the deployment's budget: today's $0.05"),
        (route(user=5 * CENT), "the user's budget: today's $0.05"),
        (route(rule=5 * CENT), "the rule web's budget: today's $0.05"),
        (route(month=5 * CENT), "the deployment's budget: this month's $0.05"),
    ],
)
def test_what_would_pass_a_budget_is_told_with_the_command_that_raises_it(limits: RouteSet, told: str) -> None:
    spending = Spending(Now())
    rule = limits.rules[0]
    assert spending.why_not(ANNA, limits, rule, 5 * CENT) == ""
    spending.spent(ANNA, used(3))
    assert spending.why_not(ANNA, limits, rule, 2 * CENT) == ""
    said = spending.why_not(ANNA, limits, rule, 3 * CENT)
    assert said.startswith(told) and "parlance routes budget llm" in said and "$0.03 spent" in said


def test_what_is_reserved_counts_until_it_is_settled() -> None:
    spending, limits = Spending(Now()), route(deployment=5 * CENT)
    held = spending.reserve(ANNA, RULE, 4 * CENT)
    assert spending.why_not(BEN, limits, RULE, 2 * CENT)
    spending.settle(held)
    spending.settle(held)
    assert spending.why_not(BEN, limits, RULE, 5 * CENT) == ""


def test_users_runs_days_and_months_are_apart() -> None:
    now = Now()
    spending, limits = Spending(now), route(user=5 * CENT, month=8 * CENT)
    spending.spent(ANNA, used(5))
    assert spending.why_not(ANNA, limits, RULE, CENT)
    assert not spending.why_not(BEN, limits, RULE, CENT)
    assert not spending.why_not(Header(user_id="anna", run="r"), limits, RULE, CENT)
    spending.spent(BEN, used(3))
    assert "this month's" in spending.why_not(BEN, limits, RULE, CENT)
    now.us += HOUR
    assert not spending.why_not(ANNA, limits, RULE, CENT), "a new day, and a new month"


def test_the_log_tells_of_others_and_of_this_process_once() -> None:
    spending, limits = Spending(Now()), route(deployment=9 * CENT)
    spending.begin_again()
    spending.spent(ANNA, used(3, "mine"))
    spending.told(ANNA, used(3, "mine"))
    spending.told(BEN, used(4, "theirs"))
    assert not spending.why_not(ANNA, limits, RULE, 2 * CENT)
    assert spending.why_not(ANNA, limits, RULE, 3 * CENT)


def test_a_free_model_is_affordable_whatever_was_spent() -> None:
    spending, limits = Spending(Now()), route(deployment=CENT)
    spending.spent(ANNA, used(9))
    assert spending.why_not(ANNA, limits, RULE, 0) == ""


def test_a_route_without_budgets_is_not_limited() -> None:
    assert not limited(RouteSet(target="scripted:echo"))
    assert limited(route(rule=CENT)) and limited(route(month=CENT))


def test_days_that_are_over_are_let_go_and_their_month_is_not() -> None:
    now = Now()
    now.us = NOW - 24 * HOUR
    spending, limits = Spending(now), route(user=5 * CENT, month=8 * CENT)
    for n in range(50):
        spending.spent(Header(user_id=f"user-{n}"), used(1, us=now.us))
    now.us = NOW
    spending.spent(ANNA, used(1))
    days = {day for _, _, day, _ in spending._spent}
    assert days == {"2026-11-30", "2026-11"}
    assert "this month's" in spending.why_not(BEN, limits, RULE, CENT)
