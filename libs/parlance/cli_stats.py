"""`parlance stats`: what the ledger adds up to, as tables and as JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from parlance.cli_ask import Json, console, from_running, print_json, run_async
from parlance.cli_talk import name_of
from parlance.v1.gateway_service_pb2 import GetStatsRequest
from parlance.v1.reply_pb2 import OUTCOME_ANSWERED, OUTCOME_UNSPECIFIED, Outcome, Reason

_USED = ("stage", "provider", "model", "estimated", "requests", "input_tokens", "output_tokens")


def stats(
    days: Annotated[int, typer.Option("--days", min=1, max=36_500, help="So many days, today included.")] = 30,
    run: Annotated[str, typer.Option("--run", metavar="ID", help="A rehearsal's run instead of what happened.")] = "",
    as_json: Json = False,
) -> None:
    """Turns by outcome, latencies, usage, and what left this device."""
    found = run_async(from_running("GetStats", GetStatsRequest(days=days, run=run)))
    if as_json:
        print_json(stats_json(found))
    else:
        console.print(stats_tables(found))


def stats_json(found: Any) -> dict[str, Any]:
    return {
        "since": found.since,
        "run": found.run or None,
        "turns": sum(t.turns for t in found.turns),
        "open": sum(t.turns for t in found.turns if t.outcome == OUTCOME_UNSPECIFIED),
        "answered_share": answered_share(found.turns),
        "outcomes": [{"outcome": o, "reason": r or None, "turns": n} for (o, r), n in _outcomes(found.turns).items()],
        "days": [
            {"day": t.day, "outcome": _outcome(t), "reason": name_of(Reason.Name(t.reason)), "turns": t.turns}
            for t in found.turns
        ],
        "latency": [
            _plain(s, "stage", "measure", "provider", "count")
            | {"p50_ms": round(s.p50_us / 1000, 3), "p95_ms": round(s.p95_us / 1000, 3)}
            for s in found.latencies
        ],
        "usage": [
            _plain(u, *_USED) | {"characters": u.characters, "audio_seconds": round(u.audio_ms / 1000, 3)}
            for u in found.usage
        ],
        "left_device": [_plain(e, "destination", "requests", "bytes_sent", "bytes_received") for e in found.egress],
        "last_hour": [{"minute": _minute(r.minute_us)} | _plain(r, "measure", "name", "amount") for r in found.rates],
    }


def _minute(us: int) -> str:
    """ "2026-11-28T08:15Z"."""
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%dT%H:%MZ}"


def _plain(message: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(message, name) for name in names}


def answered_share(turns: Sequence[Any]) -> float | None:
    """Of the turns that have ended, the share that was answered; None where none has."""
    ended = sum(t.turns for t in turns if t.outcome != OUTCOME_UNSPECIFIED)
    answered = sum(t.turns for t in turns if t.outcome == OUTCOME_ANSWERED)
    return round(answered / ended, 4) if ended else None


def _outcome(counted: Any) -> str:
    return name_of(Outcome.Name(counted.outcome)) or "open"


def _outcomes(turns: Sequence[Any]) -> dict[tuple[str, str], int]:
    """Over all days, the most frequent first."""
    sums: dict[tuple[str, str], int] = {}
    for t in turns:
        key = _outcome(t), name_of(Reason.Name(t.reason)) or ""
        sums[key] = sums.get(key, 0) + t.turns
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def stats_tables(found: Any) -> Any:
    if not found.turns:
        return Text(f"No turns since {found.since}.")
    share = answered_share(found.turns)
    said = "none has ended" if share is None else f"{share:.0%} of those that ended were answered"
    count = sum(t.turns for t in found.turns)
    head = Text(f"{count} turn{'' if count == 1 else 's'} since {found.since}; {said}\n", style="bold")
    parts: list[Any] = [head, _turns(found.turns), _latencies(found.latencies)]
    if found.usage:
        parts.append(_usage(found.usage))
    parts.append(_egress(found.egress) if found.egress else Text("Nothing left this device."))
    if found.rates:
        parts += [Text(), _rates(found.rates)]
    return Group(*parts)


def table_of(*columns: str) -> Table:
    """The columns after "|" hold numbers."""
    table = Table(box=None, pad_edge=False)
    texts, numbers = columns[: columns.index("|")], columns[columns.index("|") + 1 :]
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _turns(turns: Sequence[Any]) -> Table:
    table = table_of("day", "ended", "why", "|", "turns")
    day = ""
    for t in turns:
        reason = (name_of(Reason.Name(t.reason)) or "").replace("_", " ")
        table.add_row("" if t.day == day else t.day, _outcome(t), reason, str(t.turns))
        day = t.day
    table.add_row()
    return table


def _latencies(latencies: Sequence[Any]) -> Table:
    table = table_of("stage", "until", "provider", "|", "count", "p50 ms", "p95 ms")
    for s in latencies:
        table.add_row(
            s.stage, s.measure, Text(s.provider), str(s.count), f"{s.p50_us / 1000:.1f}", f"{s.p95_us / 1000:.1f}"
        )
    table.add_row()
    return table


def _usage(usage: Sequence[Any]) -> Table:
    table = table_of("stage", "provider", "|", "requests", "tokens in", "out", "characters", "s of sound", "")
    for u in usage:
        counts = [str(n) if n else "" for n in (u.input_tokens, u.output_tokens, u.characters)]
        seconds = f"{u.audio_ms / 1000:.1f}" if u.audio_ms else ""
        name = f"{u.provider}:{u.model}" if u.model else u.provider
        mark = "estimated" if u.estimated else ""
        table.add_row(u.stage, Text(name), str(u.requests), *counts, seconds, mark)
    table.add_row()
    return table


def _rates(rates: Sequence[Any]) -> Table:
    """A minute without any is no row, and counts in the mean."""
    table = table_of("in the last hour", "of", "|", "in all", "a minute", "at most")
    by_name: dict[tuple[str, str], list[int]] = {}
    for r in rates:
        by_name.setdefault((r.measure.replace("_", " "), r.name), []).append(r.amount)
    minutes = (max(r.minute_us for r in rates) - min(r.minute_us for r in rates)) // 60_000_000 + 1
    for (measure, name), amounts in sorted(by_name.items()):
        mean = f"{sum(amounts) / minutes:.1f}"
        table.add_row(measure, Text(name), str(sum(amounts)), mean, str(max(amounts)))
    return table


def _egress(egress: Sequence[Any]) -> Table:
    table = table_of("left this device to", "|", "requests", "bytes sent", "received")
    for e in egress:
        table.add_row(Text(e.destination), str(e.requests), str(e.bytes_sent), str(e.bytes_received))
    return table
