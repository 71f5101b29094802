"""The report of a load run: one HTML file, self-contained, made from the result's rows."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from parlance import load_series as series
from parlance.load_charts import Chart, svg
from parlance.load_job import Row
from parlance.load_result import OUTCOMES, rows_of
from parlance.load_saturation import open_turns

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#68707a;--line:#d9dee4;--paper:#fff;
--c0:#2563eb;--c1:#d97706;--c2:#dc2626;--c3:#059669;--c4:#7c3aed;--c5:#64748b;--c6:#db2777;--c7:#0891b2}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--dim:#98a2ad;--line:#333a42;--paper:#14171a;
--c0:#60a5fa;--c1:#fbbf24;--c2:#f87171;--c3:#34d399;--c4:#a78bfa;--c5:#94a3b8;--c6:#f472b6;--c7:#22d3ee}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:800px;margin:2rem auto;
padding:0 1rem}h1{font-size:1.3rem}table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid var(--line)}td:first-child,th:first-child{
text-align:left;padding-left:0}figure{margin:1.5rem 0}figcaption{font-weight:600}small span{margin-left:.8em}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--dim)}.grid{stroke:var(--line)}
polyline{fill:none;stroke-width:1.6}.thin{stroke-width:1;stroke-dasharray:4 3}.dim{color:var(--dim)}
""" + "".join(f".s{n}{{stroke:var(--c{n})}}.k{n}{{color:var(--c{n})}}" for n in range(8))


def html(told: dict[str, Any]) -> str:
    """The whole file. Latencies are those that a client saw; of the stages the ledger has told."""
    rows = sorted(rows_of(told), key=lambda row: row.due)
    title = f"Load run {told['run'][:8]}"
    parts = [
        f"<h1>{title}</h1>",
        _facts(told),
        _figures(told),
        _errors(told),
        _stages(told),
        *(svg(chart) for chart in _charts(told, rows)),
    ]
    return page(title, parts)


def page(title: str, parts: Iterable[str]) -> str:
    """The whole file, which asks nobody for anything; `title` and `parts` are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _facts(told: dict[str, Any]) -> str:
    plan, counts, cut = told["plan"], told["counts"], told.get("saturation")
    ends = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name])
    saturated = "What was offered was served to the last question."
    if cut:
        saturated = (
            f"Saturated from {cut['at_s']:g} s on: {cut['offered_per_s']:g} a second were offered, at most "
            f"{cut['achieved_per_s']:g} served."
        )
    sent = f"{plan['processes']} process{'' if plan['processes'] == 1 else 'es'} sending"
    lines = [
        f"{counts['turns']} of {plan['turns']} turns of {plan['sessions']} sessions: {ends or 'none has ended'}",
        f"{plan['file']['name']} ({plan['file']['origin']}), speed {plan['speed']}, {sent}",
        f"{told['took_s']:.1f} s, {told['throughput_per_s']['ended']:g} ends a second, at most "
        f"{told['throughput_per_s']['peak']}; the senders used {told['sender_cpu_s']:.1f} s of CPU",
        saturated if counts["turns"] else "",
        "" if told["complete"] else "NOT COMPLETE: it was stopped",
    ]
    return f"<p>{'<br>'.join(escape(line) for line in lines if line)}</p>"


def _figures(told: dict[str, Any]) -> str:
    names = ("p50", "p90", "p95", "p99", "p99.9", "max")
    found = [(label, told["latency_ms"][name]) for name, label in series.NAMES.items()]
    found += [
        ("held up by the turn before", told["held_up_ms"]),
        ("sent late (the sender's error)", told["send_error_ms"]),
    ]
    head = "".join(f"<th>{name}</th>" for name in ("ms from the intended moment", *names))
    body = "".join(row(label, [f"{figures[n]:.1f}" if figures else "" for n in names]) for label, figures in found)
    return f"<table><tr>{head}</tr>{body}</table>"


def row(label: str, cells: Iterable[str]) -> str:
    """Of a table; both are text."""
    return f"<tr><td>{escape(label)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _errors(told: dict[str, Any]) -> str:
    rows = "".join(row(error, [str(count)]) for error, count in told["errors"].items())
    return f"<table><tr><th>What went wrong</th><th>times</th></tr>{rows}</table>" if rows else ""


def _stages(told: dict[str, Any]) -> str:
    found = told.get("stages", {}).get("totals", [])
    if not found:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("stage, until", "provider", "count", "p50 ms", "p95 ms"))
    rows = [
        row(
            f"{one['stage']}, {one['until']}",
            (one["provider"], str(one["count"]), f"{one['p50_ms']:.1f}", f"{one['p95_ms']:.1f}"),
        )
        for one in found
    ]
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _charts(told: dict[str, Any], rows: Sequence[Row]) -> list[Chart]:
    width = max(0.25, told["took_s"] / series.SLICES)
    wrong = {
        name: series.per_second(rows, width, name) for name in OUTCOMES if name != "answered" and told["counts"][name]
    }
    machine, stages = told["machine"], told.get("stages", {}).get("over_time", {})
    return [
        Chart("Latency to the first word over time", "ms", series.over_time(rows, width)),
        Chart(
            "Latency by percentile",
            "ms",
            {label: series.curve(rows, name) for name, label in series.NAMES.items()},
            series.NINES,
        ),
        Chart("Stages over time, p95", "ms", {name: [(at, p95) for at, _, p95 in of] for name, of in stages.items()}),
        Chart(
            "Throughput",
            "turns a second",
            {
                "due": series.counted([r.due for r in rows], width),
                "ended": series.counted([r.ended for r in rows], width),
            },
        ),
        Chart("Turns that are due and have not ended", "turns", {"open": open_turns(rows, width)}),
        Chart("Sending behind what was intended", "ms, highest", series.behind(rows, width)),
        Chart("Records that the stages have still to do", "records", series.lag(told.get("lag", []))),
        Chart("Turns that were not answered", "a second", wrong),
        Chart("The machine", "% busy, all CPUs", {"busy": [(s["at_s"], 100 * s["busy"]) for s in machine]}),
    ]
