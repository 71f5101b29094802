"""How long each stage took over time: percentiles by slices of a run, for a report to look at."""

from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import StageSlice
from services.ledger.stats import OF
from services.ledger.tables import Query

_LEAST_US, _MOST_US = 100_000, 86_400_000_000

# A turn's own stages stand where it was accepted, calls where they began.
_TOOK = f"""
SELECT 'speech' AS stage, accepted_at_us AS at_us, speech_us AS us FROM ledger_turn WHERE {OF}
UNION ALL SELECT 'intent', accepted_at_us, intent_us FROM ledger_turn WHERE {OF}
UNION ALL SELECT 'dialogue', accepted_at_us, clause_us FROM ledger_turn WHERE {OF}
UNION ALL SELECT stage, began_at_us, latency_us FROM ledger_call WHERE {OF}"""


def slices(query: Query, run: str, since: str, slice_us: int) -> list[StageSlice]:
    """By stage and time. Raises InvalidRequest for slices that make no sense."""
    if not _LEAST_US <= slice_us <= _MOST_US:
        raise InvalidRequest(f"a slice is {_LEAST_US} to {_MOST_US} microseconds long, not {slice_us}")
    found = query(_sql(slice_us), (run, since) * _TOOK.count(OF))
    return [
        StageSlice(stage=stage, at_us=int(slot) * slice_us, count=total, p50_us=p50, p95_us=p95)
        for stage, slot, total, p50, p95 in found
    ]


def _sql(slice_us: int) -> str:
    return f"""
WITH took AS ({_TOOK}), sliced AS (
    SELECT stage, at_us / {slice_us:d} AS slot, us FROM took WHERE us IS NOT NULL AND at_us IS NOT NULL),
ranked AS (
    SELECT stage, slot, us, ROW_NUMBER() OVER (PARTITION BY stage, slot ORDER BY us) AS n,
        COUNT(*) OVER (PARTITION BY stage, slot) AS total FROM sliced)
SELECT stage, slot, MAX(total), MIN(CASE WHEN n * 100 >= total * 50 THEN us END),
    MIN(CASE WHEN n * 100 >= total * 95 THEN us END)
FROM ranked GROUP BY stage, slot ORDER BY stage, slot"""
