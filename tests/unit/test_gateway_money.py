"""The gateway puts the limits of the route in force beside what the ledger says was spent."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest
from parlance.history import History
from parlance.privacy import Keys, Sealing
from parlance.routes import DEFAULTS, Routes
from parlance.rpc import Call, one
from parlance.rpc_direct import DirectCarrier
from parlance.v1.control_pb2 import Budget, LlmBudgets, LlmRule, RouteSet
from parlance.v1.gateway_service_pb2 import BudgetState, GetUsageRequest, ListEgressRequest
from parlance.v1.ledger_service_pb2 import SummariseRequest, SummariseResponse
from parlance.v1.turn_pb2 import Header
from services.gateway.money import with_limits
from services.gateway.parts import Parts
from services.gateway.service import GatewayService

CENT = 10_000_000
ROUTE = RouteSet(
    stage="llm",
    version="v3",
    rules=[LlmRule(name="web", budget=Budget(day_nanos=CENT)), LlmRule(name="chat"), LlmRule(name="code")],
    budgets=LlmBudgets(deployment=Budget(month_nanos=900 * CENT), user=Budget(day_nanos=5 * CENT)),
)
ROUTE.rules[2].budget.month_nanos = 7 * CENT

Told = list[tuple[str, str, int, int, int, int]]


def spent(**day_and_month: tuple[int, int]) -> list[BudgetState]:
    """By "of_name"; the deployment's is "deployment_"."""
    return [
        BudgetState(of=key.partition("_")[0], name=key.partition("_")[2], period=period, spent_nanos=nanos)
        for key, both in day_and_month.items()
        for period, nanos in zip(("day", "month"), both, strict=True)
    ]


def told(states: list[BudgetState]) -> Told:
    """(of, name, spent today, of so many, this month, of so many)."""
    days, months = states[::2], states[1::2]
    assert {s.period for s in days} == {"day"} and {s.period for s in months} == {"month"}
    return [
        (d.of, d.name, d.spent_nanos, d.limit_nanos, m.spent_nanos, m.limit_nanos)
        for d, m in zip(days, months, strict=True)
    ]


def test_limits_stand_beside_what_was_spent_also_of_nothing() -> None:
    found = spent(deployment_=(3, 30), user_ben=(2, 20), rule_chat=(1, 10), rule_gone=(4, 40))
    assert told(with_limits(found, ROUTE, "anna")) == [
        ("deployment", "", 3, 0, 30, 900 * CENT),
        ("user", "anna", 0, 5 * CENT, 0, 0),
        ("user", "ben", 2, 5 * CENT, 20, 0),
        ("rule", "web", 0, CENT, 0, 0),
        ("rule", "chat", 1, 0, 10, 0),
        ("rule", "code", 0, 0, 0, 7 * CENT),
        ("rule", "gone", 4, 0, 40, 0),
    ]


def test_a_route_without_rules_has_no_limits() -> None:
    found = spent(deployment_=(3, 30), user_ben=(2, 20), rule_default=(1, 10))
    assert told(with_limits(found, DEFAULTS["llm"], "anna")) == [
        ("deployment", "", 3, 0, 30, 0),
        ("user", "ben", 2, 0, 20, 0),
        ("rule", "default", 1, 0, 10, 0),
    ]


class Ledger:
    async def summarise(self, request: SummariseRequest, call: Call) -> AsyncGenerator[SummariseResponse, None]:
        made = SummariseResponse()
        if request.HasField("usage"):
            made.usage.since = f"{request.usage.days} days"
            made.usage.budgets.extend(spent(deployment_=(3, 30)))
        if request.egress.limit > 9:
            raise InvalidRequest("so many cannot be listed")
        if request.HasField("egress"):
            made.egress.more = request.egress.user_id == "ben"
        yield made


def gateway(home: Path, routes: Mapping[str, RouteSet]) -> GatewayService:
    bus, sealing = JournalBus(home / "journal.db"), Sealing(Keys(home / "keys.json"))
    carrier: Any = DirectCarrier({"Ledger": Ledger()})
    return GatewayService(Parts(bus, sealing, carrier, Routes(bus, routes), History(bus, sealing), user_id="anna"))


async def test_whoever_asks_the_gateway_gets_both(tmp_path: Path) -> None:
    service, call = gateway(tmp_path, {"llm": ROUTE}), Call("", Header())
    usage = await one(service.get_usage(GetUsageRequest(days=4), call))
    assert usage.since == "4 days" and told(list(usage.budgets))[:2] == [
        ("deployment", "", 3, 0, 30, 900 * CENT),
        ("user", "anna", 0, 5 * CENT, 0, 0),
    ]
    assert (await one(service.list_egress(ListEgressRequest(user_id="ben"), call))).more
    with pytest.raises(InvalidRequest, match="so many cannot be listed"):
        await one(service.list_egress(ListEgressRequest(limit=10), call))
