"""What an intent is about, taken from the words by the same extractors whoever found the intent.

A slot that was not said, or not understood, is missing: who acts has the text too.
"""

import re
from collections.abc import Callable, Mapping

from services.intent import contacts, lists, times
from services.intent.arithmetic import expression
from services.intent.cleaning import bare
from services.intent.units import conversion

Slots = dict[str, str]

_I = re.IGNORECASE
# What is longer is no command; only a note may be.
_LONGEST = 300
_NO_PLACE = r"(?!(?:the|this|that|my|our|it|a|an|your) |moment\b|now\b|here\b|\d)"
_CITY = (
    re.compile(
        rf"\b(?:time|times|clock|hour|late|early|it|morning|dark|is)\b.*?\b(?:over in|in|at|for"
        rf"|and) {_NO_PLACE}(?P<city>\D+)$",
        _I,
    ),
    re.compile(rf"^(?:what(?:'s| is)? (?:the )?)?{_NO_PLACE}(?P<city>[^\W\d][\w .-]*?)(?:'s)? time$", _I),
    re.compile(rf"\b(?:in|at) {_NO_PLACE}(?P<city>[^\W\d][\w .'-]*)$", _I),
)
_NOW = re.compile(r",? (?:right now|now|today|at (?:the|this) (?:moment|time)|currently|exactly)$", _I)
_NO_CITY = re.compile(r"\b(?:what|the|current|local|tell|give|exact|have|is|you)\b", _I)
_NOTE = re.compile(
    r"^(?:(?:take|make|write|leave|add|create|jot|save|keep|record|start|put|have)(?: me)?(?: down)?(?: an?"
    r"| another| the| this)?"
    r"(?: quick| new| short)* (?:notes?|memo|not(?= that))\b|(?:new|quick) note\b|note(?: down| to self)?\b"
    r"|(?:write|right|jot|take|put|throw)(?: this| that| it)? down\b|remember\b|keep in mind\b"
    r"|i know(?= that)|don't forget\b)"
    r"[ :,-]*(?:(?:that's|that|to self|to|saying|which says|about|of|this)\b)?[ :,-]*(?P<text>.*)$",
    _I,
)
_FROM_NOW = re.compile(r"\b(?:in|for|after) (?:[\w-]+ ){1,4}?(?:seconds?|minutes?|hours?)\b", _I)
_WITH = re.compile(r"\bwith (?P<name>(?!me\b)[^\W\d][\w .'-]*)$", _I)


def extract(intent: str, text: str) -> Slots:
    """The slots of `intent` that `text` says, by name; a duration in seconds, a time as "HH:MM"."""
    extractor = _EXTRACTORS.get(intent)
    if extractor is None or (len(text) > _LONGEST and extractor is not _note):
        return {}
    return extractor(bare(text))


def _said(name: str, value: str | None) -> Slots:
    return {name: value} if value else {}


def _time_now(text: str) -> Slots:
    subject = _NOW.sub("", text)
    found = next(filter(None, (pattern.search(subject) for pattern in _CITY)), None)
    if found is None or _NO_CITY.search(found["city"]):
        return {}
    return {"city": _NOW.sub("", found["city"]).strip(" ,.")}


def _timer(text: str) -> Slots:
    return _said("duration", times.duration(text))


def _alarm(text: str) -> Slots:
    if _FROM_NOW.search(text) and (length := times.duration(text)):
        return {"duration": length}
    return {**_said("time", times.clock(text)), **_day(text)}


def _day(text: str) -> Slots:
    return _said("day", times.day(text))


def _calendar_next(text: str) -> Slots:
    found = _WITH.search(text)
    return _said("name", found["name"] if found else None)


def _note(text: str) -> Slots:
    found = _NOTE.match(text)
    return _said("text", found["text"] if found else None)


def _expression(text: str) -> Slots:
    return _said("expression", expression(text))


def _person(intent: str) -> Callable[[str], Slots]:
    return lambda text: contacts.person(intent, text)


_EXTRACTORS: Mapping[str, Callable[[str], Slots]] = {
    "time.now": _time_now,
    "date.today": _day,
    "timer.set": _timer,
    "timer.cancel": _timer,
    "alarm.set": _alarm,
    "alarm.cancel": _alarm,
    "calc.evaluate": _expression,
    "unit.convert": conversion,
    "list.add": lists.added,
    "list.show": lists.shown,
    "list.remove": lists.taken,
    "note.add": _note,
    "calendar.next": _calendar_next,
    "calendar.day": _day,
    **{kind: _person(kind) for kind in ("contacts.phone", "contacts.email", "contacts.address", "contacts.birthday")},
}
# Without these there is nothing to act on: the language model answers instead.
NEEDED: Mapping[str, str] = {
    **{"calc.evaluate": "expression", "unit.convert": "from"},
    **dict.fromkeys(("contacts.phone", "contacts.email", "contacts.address", "contacts.birthday"), "name"),
}


def usable(intent: str, slots: Slots) -> bool:
    return NEEDED.get(intent, "") in {"", *slots}
