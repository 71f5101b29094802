"""How the command line shows things: tables and waterfalls for people, plain values for JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from parlance.cli_talk import name_of
from parlance.v1.reply_pb2 import Outcome, Reason, Settlement

_BAR = 40
# Columns of a terminal where a waterfall has room for all it knows.
_WIDE = 140
# Characters of a question or a reply in the list of turns.
_LISTED = 100
# What a turn takes from its first word to its question, where it was really spoken and did not come as a file.
_SPOKEN_US = 50_000
_STYLES = {"answered": "green", "failed": "red", "cancelled": "yellow", "refused": "red"}
_SPEAKERS = {"you": "bold", "parlance": "bold cyan", "unasked": "bold magenta", "note": "yellow", "source": "dim"}
_console = Console(highlight=False)


def line(who: str, text: str) -> None:
    """A line of a conversation."""
    _console.print(Text.assemble((f"{who}: ", _SPEAKERS.get(who, "")), text), soft_wrap=True)


def silent(who: str, text: str) -> None:
    return None


def _local(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC).astimezone()


def _when(us: int) -> str:
    return _local(us).isoformat(timespec="milliseconds")


def _state(summary: Any) -> str:
    return name_of(Outcome.Name(summary.outcome)) or "open"


def turn_json(t: Any) -> dict[str, Any]:
    return {
        "turn_id": t.turn_id,
        "outcome": name_of(Outcome.Name(t.outcome)),
        "reason": name_of(Reason.Name(t.reason)),
        "accepted_at": _when(t.accepted_at_us),
        "asked_at": _when(t.asked_at_us) if t.asked_at_us else None,
        "session_id": t.session_id,
        "intent": t.intent,
        "text": t.text,
        "reply": t.reply,
    }


def turns_table(found: Sequence[Any]) -> Any:
    if not found:
        return Text('No turns yet. Try: parlance ask "what time is it in Tokyo"')
    table = Table(box=None, pad_edge=False)
    for name, style in (("turn", "dim"), ("when", ""), ("ended", ""), ("asked", ""), ("said", "")):
        table.add_column(name, style=style, overflow="fold" if name in ("asked", "said") else "ellipsis")
    for t in found:
        state = _state(t)
        reason = name_of(Reason.Name(t.reason))
        ended = Text(state + (f" ({reason.replace('_', ' ')})" if reason else ""), style=_STYLES.get(state, ""))
        table.add_row(t.turn_id[:8], _since_when(t), ended, _begin(t.text), _begin(t.reply))
    return table


def _spoken_us(t: Any) -> int:
    """From the first word to the last one of a spoken turn; 0 where nobody had to wait for that."""
    took = int(t.asked_at_us - t.accepted_at_us)
    return took if took >= _SPOKEN_US else 0


def _since_when(t: Any) -> str:
    """When it was accepted; for a spoken turn also when it was asked, that is, when the person had spoken."""
    accepted = f"{_local(t.accepted_at_us):%d %b %H:%M:%S}"
    return accepted + (f"\nasked  {_local(t.asked_at_us):%H:%M:%S}" if _spoken_us(t) else "")


def _begin(text: str) -> Text:
    """As much as a list shows; `parlance turn` has all of it."""
    return Text(text if len(text) <= _LISTED else text[:_LISTED].rsplit(" ", 1)[0] + " …")


def waterfall(told: Any) -> Any:
    """Every step as a bar on the turn's own time; what a narrow terminal has no room for is left out."""
    t = told.summary
    state = _state(t)
    head = Text.assemble(
        (t.turn_id, "bold"),
        "  ",
        (state, _STYLES.get(state, "")),
        f"  {_when(t.accepted_at_us)}\n",
        f"spoken for {took / 1e6:.1f} s, until {_when(t.asked_at_us)}\n" if (took := _spoken_us(t)) else "",
        f"asked: {t.text}\nsaid:  {t.reply}\n",
    )
    parts: list[Any] = [head, _steps(told.steps, wide=_console.width >= _WIDE)]
    for step in told.steps:
        if step.left_to:
            parts.append(Text(f"left this device: {step.note} to {step.left_to}", style="yellow"))
    for call in told.calls:
        parts.append(Text(f"{call.action}: {name_of(Settlement.Name(call.settlement))}"))
    if told.HasField("error"):
        parts.append(Text(f"error: {told.error.message}", style="red"))
    return Group(*parts)


def _steps(steps: Sequence[Any], *, wide: bool) -> Table:
    end = max([1, *(s.end_us for s in steps if s.event != "ReplyHeard")])
    kinds = {s.event_id: s.event for s in steps}
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in ("stage", "event", "", "start ms", "ms", "provider"):
        table.add_column(name, justify="right" if "ms" in name else "left", no_wrap=True)
    for name in ("route", "caused by") if wide else ():
        table.add_column(name, no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for s in steps:
        start, took = f"{s.start_us / 1000:.1f}", f"{(s.end_us - s.start_us) / 1000:.1f}"
        more = (s.route_version, kinds.get(s.causation_id, "")) if wide else ()
        bar = _bar(s, end, _BAR if wide else _BAR // 4)
        table.add_row(s.name, s.event, bar, start, took, Text(s.provider), *more, Text(s.note))
    return table


def _bar(step: Any, end: int, width: int) -> Text:
    start = min(width - 1, max(0, int(width * step.start_us / end)))
    length = max(1, min(width - start, round(width * (step.end_us - step.start_us) / end)))
    return Text(" " * start + "█" * length, style="cyan")


def waterfall_json(told: Any) -> dict[str, Any]:
    return {
        **turn_json(told.summary),
        "audio_ms": told.summary.audio_ms,
        "error": told.error.message if told.HasField("error") else None,
        "calls": [
            {"call_id": c.call_id, "action": c.action, "settlement": name_of(Settlement.Name(c.settlement))}
            for c in told.calls
        ],
        "stages": [
            {
                "name": s.name,
                "event": s.event,
                "provider": s.provider,
                "route_version": s.route_version,
                "start_ms": round(s.start_us / 1000, 3),
                "end_ms": round(s.end_us / 1000, 3),
                "event_id": s.event_id,
                "caused_by": s.causation_id,
                "note": s.note,
                "left_to": s.left_to or None,
            }
            for s in told.steps
        ],
    }


def import_json(done: Any) -> dict[str, Any]:
    return {
        "added": done.added,
        "updated": done.updated,
        "skipped": done.skipped,
        "problems": list(done.problems),
    }


def letter_json(at: str, letter: Any) -> dict[str, Any]:
    return {
        "letter": at,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "turn_id": letter.turn_id,
        "error": letter.error.message,
        "attempts": letter.attempts,
        "died_at": _when(letter.died_at_us),
    }


def letters_table(letters: Sequence[tuple[str, Any]]) -> Any:
    if not letters:
        return Text("No dead letters.")
    table = Table(box=None, pad_edge=False)
    for name in ("letter", "when", "topic", "turn", "attempts", "why"):
        table.add_column(name)
    for at, d in letters:
        where = f"{d.topic}/{d.partition}@{d.offset}"
        table.add_row(
            at, f"{_local(d.died_at_us):%d %b %H:%M:%S}", where, d.turn_id[:8], str(d.attempts), Text(d.error.message)
        )
    return table


def findings_table(findings: Sequence[Any]) -> Any:
    marks = {"good": Text("ok", style="green"), "warn": Text("note", style="yellow"), "bad": Text("BAD", style="red")}
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in ("", "what", "told"):
        table.add_column(name, no_wrap=name != "told", overflow="fold")
    for f in findings:
        table.add_row(marks[f.state], f.what, Text(f.told))
    return table
