"""What models cost and what left for them: the ledger knows what was, the route in force what may be."""

from collections.abc import Iterable
from typing import Any

from parlance.rpc import Call, one
from parlance.v1.control_pb2 import Budget, RouteSet
from parlance.v1.gateway_service_pb2 import (
    BudgetState,
    GetUsageRequest,
    GetUsageResponse,
    ListEgressRequest,
    ListEgressResponse,
)
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.turn_pb2 import Header
from services.gateway.parts import Parts


async def usage(parts: Parts, request: GetUsageRequest, owner: Header) -> GetUsageResponse:
    told: GetUsageResponse = (await _asked(parts, SummariseRequest(usage=request), owner)).usage
    limited = with_limits(told.budgets, parts.routes.current("llm"), owner.user_id)
    del told.budgets[:]
    told.budgets.extend(limited)
    return told


async def egress(parts: Parts, request: ListEgressRequest, owner: Header) -> ListEgressResponse:
    told: ListEgressResponse = (await _asked(parts, SummariseRequest(egress=request), owner)).egress
    return told


async def _asked(parts: Parts, request: SummariseRequest, owner: Header) -> Any:
    return await one(parts.carrier.ask("Ledger.Summarise", request, Call("", owner)))


def with_limits(spent: Iterable[BudgetState], route: RouteSet, owner: str) -> list[BudgetState]:
    """By the day and the month: of the deployment, of users, of rules. Who has a limit is told of before anything is
    spent, the owner of this home too; what a rule spent that is no more has no limit."""
    sums = {(s.of, s.name, s.period): s.spent_nanos for s in spent}
    rules = {rule.name: rule.budget for rule in route.rules}
    limited = {("user", owner): route.budgets.user} | {("rule", name): budget for name, budget in rules.items()}
    known = [(of, name) for of, name, _ in sums] + [of for of, budget in limited.items() if _limits(budget)]
    made = []
    for of, name in sorted(dict.fromkeys([("deployment", ""), *known]), key=_order(rules)):
        budget = rules.get(name, Budget()) if of == "rule" else getattr(route.budgets, of)
        for period in ("day", "month"):
            limit = getattr(budget, f"{period}_nanos")
            state = BudgetState(of=of, name=name, period=period, limit_nanos=limit)
            state.spent_nanos = sums.get((of, name, period), 0)
            made.append(state)
    return made


def _limits(budget: Budget) -> bool:
    return bool(budget.day_nanos or budget.month_nanos)


def _order(rules: dict[str, Budget]) -> Any:
    """The deployment, users by name, rules as the route has them, then those that it has no more."""
    kinds, places = ("deployment", "user", "rule"), list(rules)

    def order(of: tuple[str, str]) -> tuple[int, int, str]:
        kind, name = of
        place = places.index(name) if kind == "rule" and name in rules else len(places)
        return kinds.index(kind), place, name

    return order
