"""Days and times of day as they are spoken, in both directions (English)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from parlance.spoken import take_number, words_of

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_ORDINALS: tuple[str, ...] = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh"),
    *("twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"),
    "twentieth",
)
_CLOCK = re.compile(r"\b(\d{1,2})[:.](\d{2})(?!\d)|\b(\d{1,2})\s*[ap]\.?\s?m\b")


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day. `sure`: it was said which half of the day is meant."""

    hour: int
    minute: int
    sure: bool


def day_in(text: str, today: date) -> date | None:
    """The day that a text or slot names, seen from `today`; None where it names none."""
    plain = text.lower()
    if iso := re.search(r"\b(\d{4})-(\d{2})-(\d{2})\b", plain):
        return _date(int(iso[1]), int(iso[2]), int(iso[3]))
    for words, days in (("day after tomorrow", 2), ("tomorrow", 1), ("yesterday", -1), ("today", 0), ("tonight", 0)):
        if words in plain:
            return today + timedelta(days)
    return _month_day(plain, today) or _in_days(plain, today) or _weekday(plain, today)


def time_in(text: str) -> Clock | None:
    """The time of day in a text: "7:30 pm", "half past seven", "seven thirty", "noon"; None where there is none."""
    plain = text.lower()
    if "noon" in plain and "afternoon" not in plain:
        return Clock(12, 0, True)
    if "midnight" in plain:
        return Clock(0, 0, True)
    found = _past(plain) or (_digits(plain) if _CLOCK.search(plain) else _words(plain))
    return None if found is None else _halved(found, plain)


def next_at(clock: Clock, day: date | None, now: datetime) -> datetime | None:
    """The next moment after `now` with this time of day, on `day` where one is given; None where it is past.

    Where the half of the day was not said, the nearest one on no particular day, the morning on a given one."""
    hours = [clock.hour] if clock.sure or clock.hour > 12 else [clock.hour % 12, clock.hour % 12 + 12]
    days = [day] if day is not None else [now.date(), now.date() + timedelta(1)]
    for each in days:
        for hour in hours:
            moment = datetime.combine(each, time(hour, clock.minute), now.tzinfo)
            if moment.timestamp() > now.timestamp():
                return moment
    return None


def say_time(moment: datetime | time) -> str:
    """ "2:05 AM", "7 PM"."""
    minute = f":{moment.minute:02}" if moment.minute else ""
    return f"{moment.hour % 12 or 12}{minute} {'AM' if moment.hour < 12 else 'PM'}"


def say_date(day: date, today: date) -> str:
    """ "Thursday, December 3", with its year where that is another one."""
    year = f", {day.year}" if day.year != today.year else ""
    return f"{day:%A}, {day:%B} {day.day}{year}"


def say_day(day: date, today: date) -> str:
    """ "today", "tomorrow", "on Thursday" within a week, "on Thursday, December 3" beyond it."""
    ahead = (day - today).days
    named = {0: "today", 1: "tomorrow", -1: "yesterday"}.get(ahead)
    if named is not None:
        return named
    return f"on {day:%A}" if 0 < ahead < 7 else f"on {say_date(day, today)}"


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month_day(plain: str, today: date) -> date | None:
    months = "|".join(MONTHS)
    ordinal = r"(?:\d{1,2}(?:st|nd|rd|th)?|(?:twenty|thirty)[ -]\w+|\w+th|first|second|third|thirtieth)"
    found = re.search(rf"\b(?P<m>{months})\s+(?:the\s+)?(?P<d>{ordinal})(?![\w:])", plain) or re.search(
        rf"\b(?P<d>{ordinal})\s+(?:of\s+)?(?P<m>{months})\b", plain
    )
    if found is None or (number := _ordinal(found["d"])) is None:
        return None
    month = MONTHS.index(found["m"]) + 1
    day = _date(today.year, month, number)
    return day if day is None or day >= today else _date(today.year + 1, month, number)


def _ordinal(text: str) -> int | None:
    if digits := re.match(r"\d+", text):
        return int(digits[0])
    *tens, last = text.replace("-", " ").split()
    base = {"twenty": 20, "thirty": 30}.get(tens[0], 0) if tens else 0
    if last in _ORDINALS:
        return base + _ORDINALS.index(last) + 1
    if last == "thirtieth":
        return 30
    taken = take_number([*tens, last], 0)
    return int(taken[0]) if taken is not None else None


def _in_days(plain: str, today: date) -> date | None:
    words = words_of(plain)
    for at, word in enumerate(words):
        if word != "in":
            continue
        count, end = (1, at + 2) if words[at + 1 : at + 2] == ["a"] else _count(words, at + 1)
        unit = words[end].rstrip("s") if 0 < end < len(words) else ""
        if unit in ("day", "week") and count <= 3660:
            return today + timedelta(count * (7 if unit == "week" else 1))
    return None


def _count(words: list[str], at: int) -> tuple[int, int]:
    taken = take_number(words, at)
    return (int(taken[0]), taken[1]) if taken is not None else (0, 0)


def _weekday(plain: str, today: date) -> date | None:
    for n, name in enumerate(DAYS):
        if re.search(rf"\b{name}s?\b", plain):
            return today + timedelta((n - today.weekday()) % 7 or 7 * (f"next {name}" in plain))
    return None


def _past(plain: str) -> tuple[int, int] | None:
    found = re.search(r"\b([\w -]*?\w)(?: minutes?)? (past|to|till) (\w+)", plain)
    if found is None:
        return None
    words = words_of(found[1])
    minutes = {"half": 30, "quarter": 15}.get(words[-1], -1)
    if minutes < 0:
        starts = (take_number(words, at) for at in range(len(words)))
        taken = next((t for t in starts if t is not None and t[1] == len(words)), None)
        minutes = int(taken[0]) if taken is not None else -1
    hour = take_number(words_of(found[3]), 0)
    if hour is None or not 0 <= minutes < 60 or not 0 <= hour[0] < 24:
        return None
    total = int(hour[0]) * 60 + (minutes if found[2] == "past" else -minutes)
    return total // 60 % 24, total % 60


def _digits(plain: str) -> tuple[int, int] | None:
    found = _CLOCK.search(plain)
    if found is None:
        return None
    hour, minute = int(found[1] or found[3]), int(found[2] or 0)
    return (hour, minute) if hour < 24 and minute < 60 else None


def _words(plain: str) -> tuple[int, int] | None:
    """ "at seven thirty", "seven o'clock", "at 7", "7"."""
    words = words_of(plain)
    for at in range(len(words)):
        taken = take_number(words, at)
        if taken is None or not 0 <= taken[0] < 24 or taken[0].denominator != 1:
            continue
        minutes = take_number(words, taken[1])
        whole = minutes is not None and minutes[0].denominator == 1 and 0 <= minutes[0] < 60
        return int(taken[0]), int(minutes[0]) if minutes is not None and whole else 0
    return None


def _halved(found: tuple[int, int], plain: str) -> Clock:
    hour, minute = found
    morning = re.search(r"\b(a\.?\s?m\b|morning)|\d\s*a\.?m\b", plain)
    evening = re.search(r"\b(p\.?\s?m\b|afternoon|evening|tonight|at night)|\d\s*p\.?m\b", plain)
    if hour > 12 or hour == 0 or re.search(rf"\b0{hour}:\d\d", plain):
        return Clock(hour, minute, True)
    if morning or evening:
        return Clock(hour % 12 + (12 if evening else 0), minute, True)
    return Clock(hour, minute, False)
