"""Results of load runs as tables for people: one run, or two beside each other."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

_TIMES = ("accepted", "first", "ended")
_NAMES = {"accepted": "accepted", "first": "first word", "ended": "end"}
_FIGURES = ("p50", "p90", "p95", "p99", "p99.9", "max")


def result_table(told: dict[str, Any]) -> Any:
    """What came of the turns, and how long it took, from the intended moment."""
    plan, counts, sent = told["plan"], told["counts"], told["send_error_ms"]
    ends = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "turns" and count)
    head = Text(
        f"run {told['run'][:8]}: {counts['turns']} of {plan['turns']} turns at speed {plan['speed']} in "
        f"{told['took_s']:.1f} s ({told['throughput_per_s']['ended']:g} a second): {ends}"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("ms from the intended moment")
    for name in _FIGURES:
        table.add_column(name, justify="right")
    first = "first sound" if plan["sound"] else "first word"
    rows = [({**_NAMES, "first": first}[name], told["latency_ms"][name]) for name in _TIMES]
    for name, figures in [*rows, ("held up by the turn before", told["held_up_ms"]), ("sent late", sent)]:
        table.add_row(name, *(f"{figures[f]:.1f}" if figures else "" for f in _FIGURES))
    parts: list[Any] = [head, table]
    parts += [Text(f"{count} x {error}", style="yellow") for error, count in list(told["errors"].items())[:5]]
    return Group(*parts)
