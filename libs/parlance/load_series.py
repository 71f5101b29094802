"""The lines of a load run's charts, made from its rows. Times are seconds of the run, latencies milliseconds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from parlance.load_charts import Points
from parlance.load_job import Row
from parlance.load_result import latencies

NAMES = {"accepted": "accepted", "first": "first word", "ended": "end"}
# Points of a line over time.
SLICES = 120
# x of a percentile in the chart: how many nines it has.
NINES = ((0.0, "0 %"), (0.30103, "50"), (1.0, "90"), (2.0, "99"), (3.0, "99.9"), (4.0, "99.99"))


def behind(rows: Sequence[Row], width: float) -> dict[str, Points]:
    """By its sender, and by the turn of its session before."""
    late: dict[str, dict[int, float]] = {"the sender": {}, "the turn before": {}}
    for row in rows:
        at = int(row.due / 1000 / width)
        for name, ms in (("the sender", (row.sent or row.free) - row.free), ("the turn before", row.free - row.due)):
            late[name][at] = max(late[name].get(at, 0.0), ms)
    return {name: [(n * width, found[n]) for n in sorted(found)] for name, found in late.items()}


def lag(samples: Sequence[Any]) -> dict[str, Points]:
    groups = sorted({name for sample in samples for name in sample["records"]})
    return {name: [(s["at_s"], float(s["records"].get(name, 0))) for s in samples] for name in groups}


def over_time(rows: Sequence[Row], width: float) -> dict[str, Points]:
    slices: dict[int, list[float]] = {}
    for row in rows:
        if row.first is not None:
            slices.setdefault(int(row.due / 1000 / width), []).append(row.first - row.due)
    return {
        name: [(n * width, float(np.percentile(slices[n], q))) for n in sorted(slices)]
        for name, q in (("p50", 50), ("p95", 95), ("highest", 100))
    }


def curve(rows: Sequence[Row], name: str) -> Points:
    """Every percentile as far as there are measurements for it (HDR style: x counts the nines)."""
    values = sorted(latencies(rows, name))
    count = len(values)
    places = sorted({min(count - 1, int(count * (1 - 10 ** (-n / 40)))) for n in range(161)}) if values else []
    return [(float(-np.log10(1 - place / count)), values[place]) for place in places]


def per_second(rows: Sequence[Row], width: float, outcome: str) -> Points:
    return counted([row.ended if row.ended is not None else row.due for row in rows if row.outcome == outcome], width)


def counted(times_ms: Iterable[float | None], width: float) -> Points:
    counts: dict[int, int] = {}
    for at in times_ms:
        if at is not None:
            counts[int(at / 1000 / width)] = counts.get(int(at / 1000 / width), 0) + 1
    return [(n * width, counts.get(n, 0) / width) for n in range(max(counts, default=-1) + 1)]
