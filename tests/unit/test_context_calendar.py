from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from parlance.errors import InvalidRequest
from services.context import calendar, imports
from services.context.calendar import Calendar

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 24, 14, 5, tzinfo=LONDON)  # a Tuesday
EXAMPLE = Path("examples/calendar.ics").read_bytes()


def event(*lines: str) -> str:
    return "\r\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT"))


def file(*events: str) -> bytes:
    return "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *events, "END:VCALENDAR", "")).encode()


def made(content: bytes) -> Calendar:
    return Calendar(list(imports.parse("calendar", content).rows.values()))


@pytest.fixture(scope="module")
def example() -> Calendar:
    return made(EXAMPLE)


def next_(known: Calendar, text: str = "when is my next meeting", now: datetime = NOW) -> str:
    return calendar.tell_next(known, now, {}, text).say


def day(known: Calendar, text: str, now: datetime = NOW) -> str:
    return calendar.tell_day(known, now, {}, text).say


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("when is my next meeting", "Design review at 3 PM today"),
        ("When is my necks meeting?", "Design review at 3 PM today"),
        ("when is my next lunch", "Lunch with Anna at 12:30 PM tomorrow"),
        ("when is the piano lesson", "Piano lesson at 11 AM on Saturday"),
        ("when do I meet with Anna", "Lunch with Anna at 12:30 PM tomorrow"),
    ],
)
def test_the_next_meeting_is_told_with_its_source(example: Calendar, asked: str, said: str) -> None:
    assert next_(example, asked) == f"Your next meeting is {said}, from your calendar."


def test_a_meeting_that_has_begun_is_not_the_next(example: Calendar) -> None:
    begun = datetime(2026, 11, 24, 15, 0, tzinfo=LONDON)
    assert "Stand-up at 9:30 AM tomorrow" in next_(example, now=begun)


def test_the_next_meeting_exists_far_in_the_future(example: Calendar) -> None:
    assert "Design review" in next_(example, now=datetime(2041, 1, 1, 12, tzinfo=LONDON))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            "what's on my calendar today",
            "You have 3 things today: Ben's birthday all day, Stand-up at 9:30 AM and Design review at 3 PM",
        ),
        ("what do I have tomorrow", "You have 2 things tomorrow: Stand-up at 9:30 AM and Lunch with Anna at 12:30 PM"),
        ("what's on saturday", "You have one thing on Saturday: Piano lesson at 11 AM"),
    ],
)
def test_a_day_is_told_with_its_source(example: Calendar, asked: str, said: str) -> None:
    assert day(example, asked) == f"{said}, from your calendar."


def test_a_time_zone_is_converted_and_a_floating_time_is_wherever_the_user_is() -> None:
    known = made(
        file(
            event("UID:1", "SUMMARY:Call", "DTSTART;TZID=America/New_York:20261124T110000"),
            event("UID:2", "SUMMARY:Run", "DTSTART:20261125T070000"),
            event("UID:3", "SUMMARY:Sync", "DTSTART:20261125T180000Z"),
        )
    )
    assert "Call at 4 PM today" in next_(known)
    assert "Call at 1 AM tomorrow" in next_(known, now=NOW.astimezone(ZoneInfo("Asia/Tokyo")))
    assert day(known, "tomorrow").startswith("You have 2 things tomorrow: Run at 7 AM and Sync at 6 PM")


def test_summer_time_does_not_move_a_weekly_meeting() -> None:
    rule = ("DTSTART;TZID=Europe/London:20260105T090000", "RRULE:FREQ=WEEKLY;BYDAY=MO")
    known = made(file(event("UID:1", "SUMMARY:Plan", *rule)))
    assert "Plan at 9 AM" in next_(known, now=datetime(2026, 7, 5, 12, tzinfo=LONDON))
    assert "Plan at 9 AM" in next_(known, now=datetime(2026, 12, 6, 12, tzinfo=LONDON))


def test_a_moved_and_a_cancelled_occurrence_are_respected() -> None:
    series = event("UID:1", "SUMMARY:Plan", "DTSTART:20261124T150000", "RRULE:FREQ=DAILY", "EXDATE:20261125T150000")
    moved = event("UID:1", "SUMMARY:Plan (moved)", "RECURRENCE-ID:20261124T150000", "DTSTART:20261124T170000")
    off = event("UID:2", "SUMMARY:Off", "STATUS:CANCELLED", "DTSTART:20261124T143000")
    known = made(file(series, moved, off))
    assert "Plan (moved) at 5 PM today" in next_(known)
    assert day(known, "tomorrow") == "You have nothing tomorrow in your calendar."


def test_nothing_to_come_is_told() -> None:
    past = made(file(event("UID:1", "SUMMARY:Old", "DTSTART:20200101T100000Z")))
    assert next_(past) == "I see no meeting in the year to come in your calendar."


def test_broken_events_are_told_and_skipped() -> None:
    parsed = imports.parse(
        "calendar",
        file(
            event("UID:1", "SUMMARY:No start"),
            event("UID:2", "SUMMARY:Bad start", "DTSTART:sometime"),
            event("UID:3", "SUMMARY:Bad rule", "DTSTART:20261124T150000", "RRULE:FREQ=NONSENSE"),
            event("UID:4", "SUMMARY:Flood", "DTSTART:20261124T150000", "RRULE:FREQ=SECONDLY"),
            event("UID:5", "SUMMARY:Good", "DTSTART:20261124T160000"),
        ),
    )
    assert len(parsed.rows) == 1 and parsed.skipped == 4
    assert parsed.problems[0] == "event 1 of calendar 1: it has no start that can be read (DTSTART)"
    assert "Good at 4 PM today" in next_(Calendar(list(parsed.rows.values())))


@pytest.mark.parametrize("content", [b"", b"hello", b"BEGIN:VCARD\nEND:VCARD\n", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n"])
def test_what_is_no_calendar_is_refused_with_what_to_do(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"\.ics|damaged"):
        imports.parse("calendar", content)
