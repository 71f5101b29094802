"""How routes look on a terminal and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from parlance.money import dollars
from parlance.route_table import CAPABILITIES, TIERS, rules_of
from parlance.v1.turn_pb2 import TIER_PRIVATE

_FOR = {value: name for name, value in CAPABILITIES.items()}
_TIER = {value: name for name, value in TIERS.items()}


def route_json(route: Any) -> dict[str, Any]:
    """Rules and budgets are those of llm, the only stage that has them."""
    made = {"stage": route.stage, "target": route.target, "version": route.version, "settings": dict(route.settings)}
    if route.stage == "llm":
        made["rules"] = [_rule_json(rule) for rule in rules_of(route)]
        made["budgets"] = {name: _budget_json(getattr(route.budgets, name)) for name in ("deployment", "user")}
    if route.brings_back:
        made["brings_back"] = route.brings_back
    return made


def _rule_json(rule: Any) -> dict[str, Any]:
    return {
        "name": rule.name,
        "for": [_FOR[value] for value in rule.capabilities] or None,
        "share": rule.share or 100,
        "targets": [
            {
                "target": t.target,
                "settings": dict(t.settings),
                "first_s": t.first_ms / 1000 or None,
                "next_s": t.next_ms / 1000 or None,
                "hedge_after_s": t.hedge_ms / 1000 or None,
            }
            for t in rule.targets
        ],
        "ceiling": _TIER[rule.ceiling or TIER_PRIVATE],
        "residency": rule.residency or None,
        "budget": _budget_json(rule.budget),
    }


def _budget_json(budget: Any) -> dict[str, str | None]:
    """US dollars as exact decimal strings."""
    limits = {"day_usd": budget.day_nanos, "month_usd": budget.month_nanos}
    return {name: dollars(nanos) if nanos else None for name, nanos in limits.items()}


def routes_table(found: Sequence[Any]) -> Any:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "target", "version", "settings"):
        table.add_column(name, overflow="fold")
    for r in found:
        settings = "by rules, below" if r.rules else _settings(r)
        table.add_row(r.stage, Text(r.target), r.version, Text(settings))
    told = [part for r in found for part in _told(r)]
    return Group(table, *told) if told else table


def _told(route: Any) -> list[Any]:
    """What a route has beside a target: the table of its rules, the budgets of all."""
    made: list[Any] = [Text(""), rules_table(route)] if route.rules else []
    for who, budget in (("all users together", route.budgets.deployment), ("each user", route.budgets.user)):
        if money := _money(budget):
            made.append(Text(f"{who}: {money} at the most"))
    return made


def rules_table(route: Any) -> Table:
    """A line for each rule, and under it one for each target."""
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{route.stage}: rules, whom they ask", overflow="fold")
    table.add_column("for what, how far, how much")
    for rule in route.rules:
        table.add_row(Text(rule.name), Text("; ".join(_terms(rule)) or "whatever is left"))
        for target in rule.targets:
            table.add_row(Text(f"  {target.target}"), Text("; ".join(_waits(target))))
    return table


def _terms(rule: Any) -> list[str]:
    terms = [
        ", ".join(_FOR[value] for value in rule.capabilities),
        f"{rule.share} % of the users" if rule.share else "",
        f"no further than {_TIER[rule.ceiling]}" if rule.ceiling else "",
        f"only in {rule.residency}" if rule.residency else "",
        _money(rule.budget),
    ]
    return [term for term in terms if term]


def _waits(target: Any) -> list[str]:
    waits = (("first word", target.first_ms), ("each next", target.next_ms), ("hedge after", target.hedge_ms))
    return [*([_settings(target)] if target.settings else []), *(f"{name} {ms / 1000:g} s" for name, ms in waits if ms)]


def _settings(of: Any) -> str:
    return " ".join(f"{name}={value}" for name, value in of.settings.items())


def _money(budget: Any) -> str:
    limits = (("day", budget.day_nanos), ("month", budget.month_nanos))
    return ", ".join(f"${dollars(nanos)} a {period}" for period, nanos in limits if nanos)
