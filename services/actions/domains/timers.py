"""Timers: set, list, cancel. The ticker makes them go off."""

import re
from fractions import Fraction

from parlance.spoken import capital, duration_in, join, number_in, say_duration
from services.actions.domain import Action, Asked, Done, Effect, Row, Rows

KIND = "timer"
_MAX_S = 30 * 86400
_ALL = re.compile(r"\b(all|every|both|timers)\b")
_LABELS = (
    re.compile(r"\b(?:called|named|labell?ed)\s+(?:the\s+)?([a-z][\w' ]*?)(?=\s+(?:for|of)\b|\s+timer\b|[.?!]?\s*$)"),
    re.compile(r"\b(?:a|an|the|my|another)\s+((?:(?!timer\b)[a-z][\w']*\s+){1,3})timer\b"),
    re.compile(r"\btimer for (?:the |my )?([a-z][\w' ]*?)(?=\s+for\b|[.?!]?\s*$)"),
)
_LENGTH_WORDS = re.compile(r"\b(second|minute|hour|day|week|sec|min|hr)s?\b|\d")


def set_(asked: Asked, rows: Rows) -> Done:
    seconds = _seconds(asked)
    if seconds is None:
        return Done("How long should the timer run? Say, for example, set a timer for ten minutes.", acted=False)
    if not 1 <= seconds <= _MAX_S:
        return Done("A timer can run from one second to thirty days.", acted=False)
    label = _label(asked)
    now_us = int(asked.now.timestamp() * 1e6)
    rows.add(KIND, {"label": label, "seconds": str(seconds)}, now_us + seconds * 1_000_000)
    name = f"{label} timer" if label else "timer"
    return Done(f"Your {name} for {say_duration(seconds)} is set.", f"your {name} for {say_duration(seconds)} is set")


def list_(asked: Asked, rows: Rows) -> Done:
    found = sorted(rows.all(KIND), key=lambda r: r.due_us)
    if not found:
        return Done("You have no timers running.")
    left = [f"{say_duration(_left(row, asked))} left on your {_name(row)}" for row in found]
    return Done(f"There {'are' if not left[0].startswith('1 ') else 'is'} {join(left)}.", title="Timers", lines=left)


def cancel(asked: Asked, rows: Rows) -> Done:
    found = rows.all(KIND)
    if not found:
        return Done("You have no timers running.", acted=False)
    meant = _meant(asked, found)
    if not meant:
        which = join([f"your {_name(row)}" for row in found])
        return Done(f"I am not sure which timer. There is {which}.", acted=False)
    for row in meant:
        rows.remove(row)
    if len(meant) > 1:
        return Done(f"{capital(str(len(meant)))} timers are cancelled.", f"{len(meant)} timers are cancelled")
    return Done(f"Your {_name(meant[0])} is cancelled.", f"your {_name(meant[0])} is cancelled")


def _seconds(asked: Asked) -> int | None:
    slot = asked.slot("duration")
    exact: Fraction | None = None
    if slot:
        exact = number_in(slot) if re.fullmatch(r"[\d.,]+", slot) else duration_in(slot)
    if exact is None:
        exact = duration_in(asked.text)
    return None if exact is None else round(exact)


def _label(asked: Asked) -> str:
    """What the timer is for: "pasta"; never its length."""
    if named := asked.slot("name", "label"):
        return re.sub(r"\s*\btimer$", "", named.lower().strip())
    text = asked.text.lower()
    for pattern in _LABELS:
        for found in pattern.finditer(text):
            label = found[1].strip()
            if not _LENGTH_WORDS.search(label) and label not in ("new", "quick", "short", "kitchen", "other"):
                return label
    return ""


def _meant(asked: Asked, found: list[Row]) -> list[Row]:
    if (label := _label(asked)) and (named := [r for r in found if r.data["label"] == label]):
        return named
    if (seconds := _seconds(asked)) is not None:
        return [r for r in found if int(r.data["seconds"]) == seconds][:1]
    if len(found) == 1 or _ALL.search(asked.text.lower()):
        return found
    return []


def _left(row: Row, asked: Asked) -> int:
    return max(0, round(row.due_us / 1e6 - asked.now.timestamp()))


def _name(row: Row) -> str:
    """ "pasta timer", "timer for 10 minutes"."""
    label = row.data["label"]
    return f"{label} timer" if label else f"timer for {say_duration(int(row.data['seconds']))}"


ACTIONS = {
    "timer.set": Action(Effect.LOCAL, act=set_),
    "timer.list": Action(Effect.READ, act=list_),
    "timer.cancel": Action(Effect.LOCAL, act=cancel),
}
