"""`parlance usage`: what language models were asked, what that cost, and what is left of the budgets."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from parlance.cli_ask import Json, console, from_running, print_json, run_async
from parlance.cli_stats import table_of
from parlance.money import dollars, shown
from parlance.v1.gateway_service_pb2 import GetUsageRequest

_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_SUMMED = ("requests", "failed", "estimated", *_TOKENS)
_PERIODS = {"day": "today", "month": "this month"}
# Columns of a terminal where one table has room for all.
_WIDE = 118
# Of a budget, from here on it is worth a look.
_NEARLY = 0.8


def usage(
    days: Annotated[int, typer.Option("--days", min=1, max=36_500, help="So many days, today included.")] = 30,
    run: Annotated[str, typer.Option("--run", metavar="ID", help="A rehearsal's run instead of what happened.")] = "",
    as_json: Json = False,
) -> None:
    """What language models were used for, what it cost, and what is left of the budgets."""
    found = run_async(from_running("GetUsage", GetUsageRequest(days=days, run=run)))
    if as_json:
        print_json(usage_json(found))
    else:
        console.print(usage_tables(found, wide=console.width >= _WIDE))


def usage_json(found: Any) -> dict[str, Any]:
    """Money is US dollars as exact decimal strings."""
    return {
        "since": found.since,
        "run": found.run or None,
        "total": {name: sum(getattr(u, name) for u in found.usage) for name in _SUMMED}
        | {"cost_usd": dollars(sum(u.cost_nanos for u in found.usage))},
        "usage": [
            {"provider": u.provider, "model": u.model, "rule": u.rule or None, "user": u.user_id or None}
            | {name: getattr(u, name) for name in _SUMMED}
            | {"cost_usd": dollars(u.cost_nanos), "p50_ms": _ms(u.p50_us), "p95_ms": _ms(u.p95_us)}
            for u in found.usage
        ],
        "budgets": [
            {
                "of": b.of,
                "name": b.name or None,
                "period": b.period,
                "spent_usd": dollars(b.spent_nanos),
                "limit_usd": dollars(b.limit_nanos) if b.limit_nanos else None,
                "left_usd": dollars(max(0, b.limit_nanos - b.spent_nanos)) if b.limit_nanos else None,
            }
            for b in found.budgets
        ],
    }


def _ms(us: int) -> float | None:
    """To the first piece; None where none came."""
    return round(us / 1000, 3) if us else None


def usage_tables(found: Any, *, wide: bool) -> Any:
    parts: list[Any] = [_head(found), Text()]
    if found.usage:
        for table in _used(found.usage, wide):
            parts += [table, Text()]
        if any(u.estimated for u in found.usage):
            parts.append(Text("~: the vendor did not say all of it, so a part was counted by us", style="dim"))
        parts += [Text("p50, p95: from the request to the first piece of its answer", style="dim"), Text()]
    parts.append(_budgets(found.budgets))
    return Group(*parts)


def _head(found: Any) -> Text:
    since = f"since {found.since}" + (f" in run {found.run}" if found.run else "")
    if not found.usage:
        return Text(f"No language model was asked {since}.", style="bold")
    requests, failed = (sum(getattr(u, name) for u in found.usage) for name in ("requests", "failed"))
    (cost,) = shown(sum(u.cost_nanos for u in found.usage))
    asked = f"{requests:,} request{'' if requests == 1 else 's'}"
    cut = f", {failed:,} of them cut off or failed" if failed else ""
    return Text(f"{cost} for {asked} {since}{cut}", style="bold")


_REQUESTS = ("requests", "failed", "cost", "p50 ms", "p95 ms")
_OF_TOKENS = ("tokens in", "cached", "out", "thoughts")
_ALL = ("requests", "failed", *_OF_TOKENS, "cost", "p50 ms", "p95 ms")


def _used(usage: Sequence[Any], wide: bool) -> list[Table]:
    costs = shown(*(u.cost_nanos for u in usage))
    rows = [_row(u, cost) for u, cost in zip(usage, costs, strict=True)]
    return [_table(rows, columns) for columns in ((_ALL,) if wide else (_REQUESTS, _OF_TOKENS))]


def _row(u: Any, cost: str) -> dict[str, str]:
    return {
        "model": f"{u.provider}:{u.model}" if u.model else u.provider,
        "rule": u.rule,
        "user": u.user_id,
        "requests": f"{u.requests:,}",
        "failed": _count(u.failed),
        "tokens in": _mark(u, u.input_tokens) + f"{u.input_tokens:,}",
        "cached": _count(u.cache_read_tokens),
        "out": _mark(u, u.output_tokens) + f"{u.output_tokens:,}",
        "thoughts": _count(u.reasoning_tokens),
        "cost": _mark(u, u.cost_nanos) + cost,
        "p50 ms": _first(u.p50_us),
        "p95 ms": _first(u.p95_us),
    }


def _table(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> Table:
    """A column in which nothing stands is left out; of names that are too long the user's is folded first."""
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("model", no_wrap=True, overflow="ellipsis")
    names = ["model", *(name for name in ("rule", "user", *columns) if any(row[name] for row in rows))]
    for name in names[1:]:
        words = name in ("rule", "user")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in names))
    return table


def _mark(u: Any, number: int) -> str:
    return "~" if u.estimated and number else ""


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _first(us: int) -> str:
    return f"{us / 1000:,.0f}" if us else "-"


def _budgets(budgets: Sequence[Any]) -> Table:
    table = table_of("budget", "(UTC)", "|", "spent", "limit", "left")
    spent = shown(*(b.spent_nanos for b in budgets))
    lefts = shown(*(max(0, b.limit_nanos - b.spent_nanos) for b in budgets))
    before = ""
    for b, used, left in zip(budgets, spent, lefts, strict=True):
        whose = "everybody" if b.of == "deployment" else f"{b.of} {b.name}"
        limit = (f"${dollars(b.limit_nanos)}", left) if b.limit_nanos else ("no limit", "")
        table.add_row(Text("" if whose == before else whose), _PERIODS[b.period], used, *limit, style=_style(b))
        before = whose
    return table


def _style(b: Any) -> str:
    if not b.limit_nanos or b.spent_nanos < _NEARLY * b.limit_nanos:
        return ""
    return "red" if b.spent_nanos >= b.limit_nanos else "yellow"
