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


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    """What was measured in both runs, each with its change; `change` None where there is nothing to divide by."""
    found = []
    for name, before, after in _both(a, b):
        change = round(after / before - 1, 4) if before else None
        found.append({"name": name, "a": before, "b": after, "change": change})
    return found


def _both(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, float, float]]:
    found = [(f"turns {name}", a["counts"][name], b["counts"][name]) for name in a["counts"]]
    found.append(("ends a second", a["throughput_per_s"]["ended"], b["throughput_per_s"]["ended"]))
    groups = [(_NAMES[name], a["latency_ms"][name], b["latency_ms"][name]) for name in _TIMES]
    groups += [("held up", a["held_up_ms"], b["held_up_ms"]), ("sent late", a["send_error_ms"], b["send_error_ms"])]
    for label, before, after in groups:
        found += [(f"{label} {f} ms", before[f], after[f]) for f in _FIGURES if f in before and f in after]
    return found


def unlike(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Why two runs cannot be compared as they are; empty where they can."""
    names = ("turns", "speed", "sound", "processes")
    found = [f"{n} {a['plan'][n]} and {b['plan'][n]}" for n in names if a["plan"][n] != b["plan"][n]]
    if a["plan"]["file"]["sha256"] != b["plan"]["file"]["sha256"]:
        found.append("they ran different files")
    return [f"not alike: {text}" for text in found]


def compare_table(a: dict[str, Any], b: dict[str, Any]) -> Any:
    parts = [Text(text, style="yellow") for text in unlike(a, b)]
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in (a["run"][:8], b["run"][:8], "change"):
        table.add_column(name, justify="right")
    for one in differences(a, b):
        change = "" if one["change"] is None else f"{one['change']:+.0%}"
        table.add_row(one["name"], f"{one['a']:g}", f"{one['b']:g}", change)
    return Group(*parts, table)
