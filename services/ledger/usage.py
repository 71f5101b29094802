"""What language models were used for, by whom, and what of the budgets it took. Sums of money are exact integers."""

from datetime import UTC, datetime

from parlance.v1.gateway_service_pb2 import BudgetState, GetUsageResponse, ModelUsage
from parlance.v1.turn_pb2 import END_CANCELLED, END_FAILED
from services.ledger.stats import OF
from services.ledger.tables import Query

_BY = "provider, rule, user_id"
_SUMS = (
    *("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("estimated", "cost_nanos"),
)
# `estimated` is told with what was used, and by nothing else.
_USAGE = f"""
WITH used AS (
    SELECT COALESCE(provider, '') AS provider, COALESCE(rule, '') AS rule, COALESCE(user_id, '') AS user_id, ended,
        latency_us, {", ".join(_SUMS)}
    FROM ledger_call WHERE {OF} AND stage = 'llm' AND estimated IS NOT NULL),
ranked AS (
    SELECT {_BY}, latency_us AS us, ROW_NUMBER() OVER (PARTITION BY {_BY} ORDER BY latency_us) AS n,
        COUNT(*) OVER (PARTITION BY {_BY}) AS total
    FROM used WHERE latency_us IS NOT NULL),
took AS (
    SELECT {_BY}, MIN(CASE WHEN n * 100 >= total * 50 THEN us END) AS p50,
        MIN(CASE WHEN n * 100 >= total * 95 THEN us END) AS p95
    FROM ranked GROUP BY {_BY}),
summed AS (
    SELECT {_BY}, COUNT(*) AS requests,
        SUM(CASE WHEN ended IN ({END_CANCELLED}, {END_FAILED}) THEN 1 ELSE 0 END) AS failed,
        {", ".join(f"SUM(COALESCE({name}, 0)) AS {name}" for name in _SUMS)}
    FROM used GROUP BY {_BY})
SELECT summed.provider, summed.rule, summed.user_id, requests, failed, {", ".join(_SUMS)},
    COALESCE(p50, 0), COALESCE(p95, 0)
FROM summed LEFT JOIN took ON took.provider = summed.provider AND took.rule = summed.rule
    AND took.user_id = summed.user_id
ORDER BY cost_nanos DESC, requests DESC, summed.provider, summed.rule, summed.user_id"""

# As llm keeps its budgets: those of a run are its own.
_SPENT = """
SELECT COALESCE(user_id, ''), COALESCE(rule, ''), SUM(CASE WHEN began_at_us >= ? THEN cost_nanos ELSE 0 END),
    SUM(cost_nanos)
FROM ledger_call WHERE run = ? AND stage = 'llm' AND cost_nanos IS NOT NULL AND began_at_us >= ?
GROUP BY COALESCE(user_id, ''), COALESCE(rule, '')"""


def usage(query: Query, run: str, since: str, now_us: int) -> GetUsageResponse:
    """Of one run, from the day `since` on, the dearest first; and what it spent in the day and month of `now_us`."""
    made = GetUsageResponse(since=since, run=run, budgets=_spent(query, run, now_us))
    for target, rule, user, requests, failed, *numbers in query(_USAGE, (run, since)):
        provider, _, model = target.partition(":")
        found = ModelUsage(provider=provider, model=model, rule=rule, user_id=user)
        found.requests, found.failed = int(requests), int(failed)
        for name, number in zip((*_SUMS, "p50_us", "p95_us"), numbers, strict=True):
            setattr(found, name, int(number))
        made.usage.append(found)
    return made


def _spent(query: Query, run: str, now_us: int) -> list[BudgetState]:
    """Of the deployment, then of each user and each rule that spent something this month. Limits are not known here."""
    sums: dict[tuple[str, str], tuple[int, int]] = {("deployment", ""): (0, 0)}
    day_us, month_us = _begins(now_us)
    for user, rule, today, month in query(_SPENT, (day_us, run, month_us)):
        for of in (("deployment", ""), ("user", user), ("rule", rule)):
            if of == ("deployment", "") or of[1]:
                before = sums.get(of, (0, 0))
                sums[of] = before[0] + int(today), before[1] + int(month)
    kinds = ("deployment", "user", "rule")
    return [
        BudgetState(of=of, name=name, period=period, spent_nanos=spent)
        for (of, name), both in sorted(sums.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1]))
        for period, spent in zip(("day", "month"), both, strict=True)
    ]


def _begins(now_us: int) -> tuple[int, int]:
    """Where the day and the month of UTC begin."""
    day = datetime.fromtimestamp(now_us / 1e6, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp()) * 1_000_000, int(day.replace(day=1).timestamp()) * 1_000_000
