"""What the ledger knows of a run: how long each stage took, in all and over time. A client sees only the whole way."""

from collections.abc import Sequence
from typing import Any

# Points of a line over time.
_SLICES = 60
_LEAST_S = 1.0
# [wall clock in microseconds, seconds of the run] at which it began, or was resumed.
Stretch = Sequence[float]


def slice_us(took_s: float) -> int:
    return int(max(_LEAST_S, round(took_s / _SLICES)) * 1e6)


def stages(found: Any, stretches: Sequence[Stretch]) -> dict[str, Any]:
    """Of a GetStatsResponse with slices: {"totals": [...], "over_time": {stage: [[s, p50 ms, p95 ms], ...]}}."""
    over_time: dict[str, list[list[float]]] = {}
    for one in found.slices:
        at_s = _in_run(one.at_us, stretches)
        over_time.setdefault(one.stage, []).append([at_s, one.p50_us / 1000, one.p95_us / 1000])
    totals = [
        {
            "stage": one.stage,
            "until": one.measure,
            "provider": one.provider,
            "count": one.count,
            "p50_ms": one.p50_us / 1000,
            "p95_ms": one.p95_us / 1000,
        }
        for one in found.latencies
    ]
    return {"totals": totals, "over_time": over_time}


def _in_run(at_us: int, stretches: Sequence[Stretch]) -> float:
    began = [stretch for stretch in stretches if stretch[0] <= at_us] or list(stretches[:1])
    if not began:
        return 0.0
    wall_us, base_s = began[-1]
    return round(max(0.0, base_s + (at_us - wall_us) / 1e6), 3)
