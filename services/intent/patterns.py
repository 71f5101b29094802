"""Requests put in the usual words: patterns.txt, and what can be read as a sum, a conversion or a timed request."""

import re
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from services.intent import times
from services.intent.arithmetic import expression
from services.intent.cleaning import bare, clean
from services.intent.provider import CHAT, Understanding
from services.intent.slots import extract, usable
from services.intent.units import conversion

_FILE = Path(__file__).with_name("patterns.txt")
_I = re.IGNORECASE
_LONGEST = 200
_CERTAIN = 1.0
_FOUND_BY = "patterns"
# Courtesies that are the whole of what was said: they are matched with them, too.
_SHORT = frozenset(("affirm", "deny", "stop", "repeat", "help", "greeting"))
_TIMED = re.compile(
    r"\b(?:timer|count ?down|time me|let me know|alert me|ping me|nudge me|tell me when|remind me|wake me|wait me)\b"
    r"|^(?:set|said|sit|such|start|put on)\b.*\b(?:time|tire|dimer|timers?)\b|^(?:a )?time(?:r)? (?:for|of) \d",
    _I,
)
_ASKS = re.compile(r"(?:cancel|stop|delete|how|what|when|why|is|does)\b", _I)
_CONVERTS = re.compile(
    r"(?:how|what|convert|change|turn|express|give|\d|half|an?|one|two|three|four|five|six|seven|eight|nine|ten"
    r"|twelve|fifteen|twenty|thirty|fifty|hundred|minus)\b",
    _I,
)


def match(text: str) -> Understanding | None:
    """What a text means, with its slots; None where no pattern is sure of it."""
    if len(text) > _LONGEST:
        return None
    request, whole = bare(text), clean(text)
    for found in (_conversion(request), _timed(request), _sum(request)):
        if found is not None:
            return found
    for intent, pattern in _patterns():
        if pattern.fullmatch(request) or (intent in _SHORT and pattern.fullmatch(whole)):
            slots = extract(intent, text)
            if usable(intent, slots):
                return Understanding(intent, _CERTAIN, slots, _FOUND_BY)
    return None


def alone(text: str) -> Understanding:
    """What a text means by the patterns alone: what they do not know is for the language model."""
    return match(text) or Understanding(CHAT, 0.0, {}, _FOUND_BY)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, "re.Pattern[str]"], ...]:
    """The lines of patterns.txt, those of one intent that follow each other joined into one expression."""
    words: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for line in filter(None, _FILE.read_text("utf-8").splitlines()):
        if line.startswith("#"):
            continue
        if defined := re.match(r"([A-Z]+) = (.+)", line):
            words[defined[1]] = defined[2]
            continue
        intent, pattern = line.split(maxsplit=1)
        for name, meaning in words.items():
            pattern = pattern.replace(f"{{{name}}}", meaning)
        lines.append((intent, pattern))
    grouped = groupby(lines, key=lambda line: line[0])
    return tuple((intent, re.compile("|".join(p for _, p in each), _I)) for intent, each in grouped)


def _conversion(request: str) -> Understanding | None:
    slots = conversion(request) if _CONVERTS.match(request) else {}
    return Understanding("unit.convert", _CERTAIN, slots, _FOUND_BY) if slots else None


def _timed(request: str) -> Understanding | None:
    """A length of time and a word for timing it: "count down from sixty seconds", "wake me in half an hour"."""
    if not _TIMED.search(request) or _ASKS.match(request):
        return None
    length = times.duration(request)
    return Understanding("timer.set", _CERTAIN, {"duration": length}, _FOUND_BY) if length else None


def _sum(request: str) -> Understanding | None:
    found = expression(request)
    return Understanding("calc.evaluate", _CERTAIN, {"expression": found}, _FOUND_BY) if found else None
