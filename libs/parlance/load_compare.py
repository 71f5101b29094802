"""Two load runs beside each other: one HTML file, self-contained, of the same look as the report of one."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from parlance import load_series as series
from parlance.load_charts import Chart, Points, seconds, svg
from parlance.load_job import Row
from parlance.load_report import page, row
from parlance.load_result import OUTCOMES, rows_of
from parlance.load_show import differences, unlike

# What changes by less is not judged.
_NOTABLE = 0.05
_SIDES = ("before", "after")
# A line of the run before, its companion, and the same of the run after.
_PAIR, _FOUR = ("s0", "s1"), ("s0", "s0 thin", "s1", "s1 thin")


def html(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The whole file."""
    title = f"Load runs {before['run'][:8]} and {after['run'][:8]}"
    both = (before, after)
    parts = [
        f"<h1>{escape(title)}</h1>",
        "".join(_facts(side, told) for side, told in zip(_SIDES, both, strict=True)),
        "".join(f'<p class="k2">{escape(text)}</p>' for text in unlike(before, after)),
        *(svg(chart) for chart in _charts(both)),
        _errors(both),
        _differences(before, after),
        _stages(both),
    ]
    return page(escape(title), parts)


def _facts(side: str, told: dict[str, Any]) -> str:
    plan, counts = told["plan"], told["counts"]
    ends = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name]) or "none has ended"
    text = (
        f"run {told['run'][:8]}, {plan['file']['name']} at speed {plan['speed']}: {counts['turns']} of "
        f"{plan['turns']} turns in {told['took_s']:.1f} s, {ends}"
    )
    left = "" if told["complete"] else " NOT COMPLETE: it was stopped"
    return f'<p><b class="k{_SIDES.index(side)}">{side}</b> {escape(text + left)}</p>'


def _charts(both: Sequence[dict[str, Any]]) -> list[Chart]:
    rows = [sorted(rows_of(told), key=lambda one: one.due) for told in both]
    took_s = max(told["took_s"] for told in both)
    width, ticks = max(0.25, took_s / series.SLICES), seconds(took_s)

    def pair(make: Callable[[Sequence[Row]], Points]) -> dict[str, Points]:
        return {side: make(of) for side, of in zip(_SIDES, rows, strict=True)}

    def wrong(of: Sequence[Row]) -> Points:
        return series.counted(
            [one.due if one.ended is None else one.ended for one in of if one.outcome != "answered"], width
        )

    first = [series.over_time(of, width) for of in rows]
    charts = [Chart("Latency to the first word over time", "ms", _four(first), ticks, _FOUR)]
    charts += [
        Chart(f"Latency by percentile, to the {label}", "ms", pair(_curve(name)), series.NINES, _PAIR)
        for name, label in series.NAMES.items()
        if name != "accepted"
    ]
    charts += [
        Chart(f"Stage {name} over time", "ms", _four(of), ticks, _FOUR)
        for name, of in _stages_over_time(both).items()
        if any(ms for side in of for line in side.values() for _, ms in line)
    ]
    ended = pair(lambda of: series.counted([one.ended for one in of], width))
    return [
        *charts,
        Chart("Throughput", "turns that end a second", ended, ticks, _PAIR),
        Chart("Turns that were not answered", "a second", pair(wrong) if any(map(wrong, rows)) else {}, ticks, _PAIR),
    ]


def _curve(name: str) -> Callable[[Sequence[Row]], Points]:
    return lambda rows: series.curve(rows, name)


def _four(both: Sequence[dict[str, Points]]) -> dict[str, Points]:
    return {f"{side} {q}": of.get(q, []) for side, of in zip(_SIDES, both, strict=True) for q in ("p95", "p50")}


def _stages_over_time(both: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Points]]]:
    found = [told.get("stages", {}).get("over_time", {}) for told in both]
    return {name: [_quantiles(of.get(name, [])) for of in found] for name in sorted({n for of in found for n in of})}


def _quantiles(points: Iterable[Sequence[float]]) -> dict[str, Points]:
    points = list(points)
    return {"p50": [(at, p50) for at, p50, _ in points], "p95": [(at, p95) for at, _, p95 in points]}


def _errors(both: Sequence[dict[str, Any]]) -> str:
    found = sorted({error for told in both for error in told["errors"]})
    rows = "".join(row(error, [str(told["errors"].get(error, 0)) for told in both]) for error in found)
    return f"<table><tr><th>What went wrong</th><th>before</th><th>after</th></tr>{rows}</table>" if rows else ""


def _stages(both: Sequence[dict[str, Any]]) -> str:
    """A line for each provider; one that answered in one run alone has nothing beside it."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for n, told in enumerate(both):
        for one in told.get("stages", {}).get("totals", []):
            cells = names.setdefault((one["stage"], one["until"], one["provider"]), [""] * 4)
            cells[2 * n : 2 * n + 2] = f"{one['p50_ms']:.1f}", f"{one['p95_ms']:.1f}"
    head = "".join(f"<th>{name}</th>" for name in ("stage, until", "provider", *_heads("ms")))
    rows = [row(f"{stage}, {until}", [who, *names[stage, until, who]]) for stage, until, who in sorted(names)]
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""


def _heads(unit: str) -> list[str]:
    return [f"{side} {q} {unit}" for side in _SIDES for q in ("p50", "p95")]


def _differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    rows, alike = [], not unlike(before, after)
    for one in differences(before, after):
        change, figures = one["change"], ".1f" if one["name"].endswith(" ms") else "g"
        told = "" if change is None else f"{change:+.0%}"
        cells = [format(one["a"], figures), format(one["b"], figures), told, _judged(one) if alike else ""]
        rows.append(row(one["name"].replace("turns turns", "turns"), cells))
    return f"<table><tr><th></th><th>before</th><th>after</th><th>change</th><th></th></tr>{''.join(rows)}</table>"


def _judged(one: dict[str, Any]) -> str:
    """In a word, where more or less of it is good or bad in itself. Runs that are not alike are not judged."""
    name, more = one["name"], one["b"] - one["a"]
    if abs(more) <= _NOTABLE * abs(one["a"]):
        return ""
    if name in ("turns answered", "ends a second"):
        return "better" if more > 0 else "worse"
    return "" if name == "turns turns" else "worse" if more > 0 else "better"
