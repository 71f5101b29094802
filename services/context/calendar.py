"""Calendars: read from iCalendar (RFC 5545), asked for what comes next or what a day holds.

The libraries are loaded when the first calendar is: they take a fifth of a second.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from parlance.spoken import join
from parlance.spoken_time import day_in, say_day, say_time

SOURCE = "your calendar"
# Looked through one after the other: a year of daily things is only read where nothing comes sooner.
_AHEAD_DAYS = (0, 8, 60, 370)
_SOON_DAYS = 60
_YEARS = range(1900, 2300)
_TOO_OFTEN = ("SECONDLY", "MINUTELY")
_ONCE = ("DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "UID")
_MAX_SAID = 6
_LENGTHS = (31, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ASKING = re.compile(
    r"\b(?:when|what|what's|whats|which|is|are|do|does|i|have|my|the|a|an|next|necks|upcoming|meeting|meetings|event|events|"
    r"appointment|appointments|on|in|at|for|with|time|calendar|schedule|it|tell|me|about|please|start|starts|begin|today|"
    r"tomorrow|this|week|coming|up|of|and|to|will|be|when's|anything|first|soonest|following|planned|happening)\b"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event with all its repetitions and exceptions, as the mini calendar it came in."""

    uid: str
    ics: bytes


@dataclass(frozen=True, slots=True)
class Meeting:
    """One occurrence. `start` in the user's time zone; an all-day one begins at its midnight."""

    title: str
    start: datetime
    all_day: bool
    place: str


@dataclass(frozen=True, slots=True)
class Told:
    found: bool
    say: str
    title: str
    lines: list[str]


def read(content: bytes) -> Iterator[Entry | str]:
    """The events of a file, one entry per UID; a string is a problem: why an event was skipped."""
    import icalendar

    groups: dict[str, list[Any]] = {}
    zones: list[Any] = []
    for number, calendar in enumerate(icalendar.Calendar.from_ical(content, multiple=True), 1):
        zones += calendar.walk("VTIMEZONE")
        for n, event in enumerate(calendar.walk("VEVENT"), 1):
            problem = _problem(event)
            if problem:
                yield f"event {n} of calendar {number}: {problem}"
                continue
            uid = str(event.get("UID") or f"{event['DTSTART'].to_ical()!r}|{event.get('SUMMARY')}")
            groups.setdefault(uid, []).append(event)
    for uid, events in groups.items():
        made = icalendar.Calendar()
        for component in [*zones, *events]:
            made.add_component(component)
        yield Entry(hashlib.sha256(uid.encode()).hexdigest(), made.to_ical())


class Calendar:
    """A user's calendar, ready to be asked. Blocks while it is made and asked: use a thread."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        import icalendar
        import recurring_ical_events

        merged, zones = icalendar.Calendar(), set()
        for ics in entries:
            for component in icalendar.Calendar.from_ical(ics).subcomponents:
                zone = str(component.get("TZID", ""))
                if component.name != "VTIMEZONE" or zone not in zones:
                    merged.add_component(component)
                if component.name == "VTIMEZONE":
                    zones.add(zone)
        self._query = recurring_ical_events.of(merged, skip_bad_series=True)

    def next(self, now: datetime, wanted: str = "") -> Meeting | None:
        """The next meeting to begin; of those within two months the first whose title has a wanted word.

        None where none begins within a year."""
        first: Meeting | None = None
        words = [w for w in re.findall(r"\w+", _ASKING.sub(" ", wanted.lower().replace("\u2019", "'"))) if len(w) > 1]
        for begin, end in pairwise(_AHEAD_DAYS):
            for meeting in self._between(now + timedelta(days=begin), now + timedelta(days=end)):
                if meeting.all_day or meeting.start <= now:
                    continue
                first = first or meeting
                if not words or any(re.search(rf"\b{re.escape(word)}", meeting.title.lower()) for word in words):
                    return meeting
            if first is not None and end >= _SOON_DAYS:
                break
        return first

    def day(self, day: date, now: datetime) -> list[Meeting]:
        """What a day holds, all-day things first."""
        midnight = datetime.combine(day, datetime.min.time(), now.tzinfo)
        return sorted(self._between(midnight, midnight + timedelta(days=1)), key=lambda m: not m.all_day)

    def _between(self, begin: datetime, end: datetime) -> list[Meeting]:
        found = (_meeting(occurrence, begin) for occurrence in self._query.between(begin, end))
        return sorted((m for m in found if m is not None), key=lambda m: m.start)


def tell_next(calendar: Calendar, now: datetime, slots: Mapping[str, str], text: str) -> Told:
    meeting = calendar.next(now, slots.get("name") or text)
    if meeting is None:
        return Told(False, f"I see no meeting in the year to come in {SOURCE}.", "", [])
    when = f"{say_time(meeting.start)} {say_day(meeting.start.date(), now.date())}"
    lines = [when, meeting.place] if meeting.place else [when]
    return Told(True, f"Your next meeting is {meeting.title} at {when}, from {SOURCE}.", meeting.title, lines)


def tell_day(calendar: Calendar, now: datetime, slots: Mapping[str, str], text: str) -> Told:
    day = day_in(slots.get("day") or text, now.date()) or now.date()
    named = say_day(day, now.date())
    meetings = calendar.day(day, now)
    if not meetings:
        return Told(False, f"You have nothing {named} in {SOURCE}.", "", [])
    said = [_said(meeting) for meeting in meetings]
    more = f" and {len(said) - _MAX_SAID} more" if len(said) > _MAX_SAID else ""
    things = f"{len(said)} things" if len(said) > 1 else "one thing"
    listed = ", ".join(said[:_MAX_SAID]) + more if more else join(said)
    return Told(True, f"You have {things} {named}: {listed}, from {SOURCE}.", f"{day:%A}", said)


def _said(meeting: Meeting) -> str:
    return f"{meeting.title} all day" if meeting.all_day else f"{meeting.title} at {say_time(meeting.start)}"


def _problem(event: Any) -> str:
    wrong = [name for name, _ in event.errors]
    if twice := next((name for name in _ONCE if isinstance(event.get(name), list)), None):
        return f"it has more than one {twice}"
    start = event.get("DTSTART")
    if start is None or "DTSTART" in wrong:
        return "it has no start that can be read (DTSTART)"
    if "RRULE" in wrong:
        return "its repetition cannot be read (RRULE)"
    if start.dt.year not in _YEARS:
        return "its start is out of range (DTSTART)"
    rules = event.get("RRULE") or []
    if any(_endless(rule) for rule in (rules if isinstance(rules, list) else [rules])):
        return "it repeats too often or never (RRULE)"
    return ""


def _endless(rule: Any) -> bool:
    """Whether looking for its occurrences would take for ever."""
    if not rule.get("FREQ") or any(frequency in _TOO_OFTEN for frequency in rule["FREQ"]):
        return True
    if any(count < 1 for name in ("INTERVAL", "COUNT") for count in rule.get(name, [])):
        return True
    # The 30th of February: it would be looked for until the year 9999.
    days, months = rule.get("BYMONTHDAY", []), rule.get("BYMONTH", [])
    return bool(days and months) and all(abs(day) > _LENGTHS[int(month)] for day in days for month in months)


def _meeting(occurrence: Any, now: datetime) -> Meeting | None:
    if str(occurrence.get("STATUS", "")).upper() == "CANCELLED":
        return None
    start = occurrence["DTSTART"].dt
    title = " ".join(str(occurrence.get("SUMMARY") or "a meeting without a title").split())
    place = " ".join(str(occurrence.get("LOCATION") or "").split())
    if not isinstance(start, datetime):
        return Meeting(title, datetime.combine(start, datetime.min.time(), now.tzinfo), True, place)
    # A floating time means the time of wherever the user is.
    zone = now.tzinfo or ZoneInfo("UTC")
    local = start.replace(tzinfo=zone) if start.tzinfo is None else start.astimezone(zone)
    return Meeting(title, local, False, place)
