"""Durations, clock times and days as a recogniser writes them ("730 p.m.", "7.30", "five-minute", "to morrow")."""

import re

from parlance.spoken import duration_in
from parlance.spoken_time import DAYS, MONTHS, time_in
from services.intent.numbers import plain, to_digits

_COUNTED = ((re.compile(r"\ba couple(?: of)?\b"), "2"), (re.compile(r"\ba few\b"), "3"), (re.compile(r"(?<=\d)-"), " "))
_MARKED = re.compile(r"\b([01]?\d|2[0-3])(?: oh? ?|[.: h])([0-5]\d|(?<=o )\d|(?<=oh )\d)(?![\d:.]\d|%)")
_JOINED = re.compile(r"\b([01]?\d|2[0-3])([0-5]\d)(?: hours)?(?=$| ?[ap]\.? ?m\b|[ .,?!])")
_WEEKDAYS = "|".join(DAYS)
_MONTHS = "|".join(MONTHS)
_DAY = re.compile(
    rf"\b(day after tomorrow|tomorrow|today|(?:next |this (?:coming )?)?(?:{_WEEKDAYS})|(?:this|next)"
    rf" (?:week(?:end)?|month)"
    rf"|(?:the )?[\w-]+ of (?:{_MONTHS})|(?:{_MONTHS})(?: the)? [\w-]+|(?:the )?weekend)\b"
)
_TODAY = re.compile(r"\b(?:to ?night|to day|this (?:morning|afternoon|evening)|my day)\b")


def duration(text: str) -> str | None:
    """Seconds of all the lengths of time in the text, added up: "an hour and 20 minutes" -> "4800"."""
    spelled = text.lower()
    for pattern, number in _COUNTED:
        spelled = pattern.sub(number, spelled)
    seconds = duration_in(spelled)
    return plain(seconds) if seconds else None


def day(text: str) -> str | None:
    """The day as it is said ("tomorrow", "next friday", "june 5th"); a time of today is "today"."""
    lowered = text.lower().replace("to morrow", "tomorrow")
    if found := _DAY.search(lowered):
        return found[1].removeprefix("the ")
    return "today" if _TODAY.search(lowered) else None


def clock(text: str) -> str | None:
    """ "19:30" of "half past seven in the evening"; where no half of the day is said, as it was said: "07:30"."""
    spelled = _MARKED.sub(_colon, _JOINED.sub(_colon, to_digits(text)))
    found = time_in(spelled)
    if found is None:
        return None
    hour = 0 if found.hour == 12 and re.search(r"\bat night\b", spelled) else found.hour
    return f"{hour:02}:{found.minute:02}"


def _colon(found: "re.Match[str]") -> str:
    return f"{int(found[1])}:{int(found[2]):02}"
