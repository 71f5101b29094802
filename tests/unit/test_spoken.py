from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.spoken import duration_in, join, number_in, say_duration
from parlance.spoken_time import Clock, day_in, next_at, say_day, say_time, time_in

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("twenty-five", 25),
        ("two hundred and five", 205),
        ("one million two hundred thousand", 1_200_000),
        ("five thousand and one", 5001),
        ("three point one four", Fraction(157, 50)),
        ("1,024", 1024),
        ("5 million", 5_000_000),
        ("two thirds", Fraction(2, 3)),
        ("two and a half", Fraction(5, 2)),
        ("a hundred", 100),
        ("seven twelve", 7),
        ("nothing", None),
    ],
)
def test_spoken_numbers_are_read_exactly(said: str, value: Fraction | None) -> None:
    assert number_in(said) == value


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("ten seconds", 10),
        ("set a timer for an hour and a half", 5400),
        ("half an hour", 1800),
        ("two and a half minutes", 150),
        ("1 hour and thirty minutes", 5400),
        ("one hour, 5 minutes and 10 seconds", 3910),
        ("three quarters of an hour", 2700),
        ("90s", 90),
        ("1h30m", 5400),
        ("ten-second timer", 10),
        ("a minute", 60),
        ("pasta", None),
        ("", None),
    ],
)
def test_spoken_lengths_are_seconds(said: str, seconds: int | None) -> None:
    assert duration_in(said) == seconds


@given(st.integers(min_value=1, max_value=40 * 86400))
def test_a_length_that_is_said_is_understood_again(seconds: int) -> None:
    assert duration_in(say_duration(seconds)) == seconds


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    number_in(text)
    duration_in(text)
    day_in(text, TODAY)
    time_in(text)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("tomorrow", date(2026, 11, 25)),
        ("the day after tomorrow", date(2026, 11, 26)),
        ("friday", date(2026, 11, 27)),
        ("tuesday", TODAY),
        ("next tuesday", date(2026, 12, 1)),
        ("December 3rd", date(2026, 12, 3)),
        ("the third of December", date(2026, 12, 3)),
        ("december twenty-fifth", date(2026, 12, 25)),
        ("january 5", date(2027, 1, 5)),
        ("in three days", date(2026, 11, 27)),
        ("in a week", date(2026, 12, 1)),
        ("2026-12-24", date(2026, 12, 24)),
        ("2026-13-24", None),
        ("soon", None),
    ],
)
def test_a_day_is_seen_from_today(said: str, day: date | None) -> None:
    assert day_in(said, TODAY) == day


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("7:30 pm", Clock(19, 30, True)),
        ("set an alarm for 6 a.m.", Clock(6, 0, True)),
        ("19:30", Clock(19, 30, True)),
        ("half past seven", Clock(7, 30, False)),
        ("wake me at a quarter to eight", Clock(7, 45, False)),
        ("quarter past nine pm", Clock(21, 15, True)),
        ("twenty to seven", Clock(6, 40, False)),
        ("seven thirty in the evening", Clock(19, 30, True)),
        ("noon", Clock(12, 0, True)),
        ("12:30 am", Clock(0, 30, True)),
        ("25:00", None),
        ("whenever", None),
    ],
)
def test_a_time_of_day_knows_whether_its_half_was_said(said: str, clock: Clock | None) -> None:
    assert time_in(said) == clock


def test_a_time_without_its_half_is_the_nearest_to_come() -> None:
    now = datetime(2026, 11, 24, 18, 5, tzinfo=ZoneInfo("Europe/London"))
    nearest = next_at(Clock(7, 0, False), None, now)
    assert nearest is not None and say_time(nearest) == "7 PM" and say_day(nearest.date(), TODAY) == "today"
    tomorrow = next_at(Clock(6, 0, True), None, now)
    assert tomorrow is not None and tomorrow.day == 25
    assert next_at(Clock(5, 0, True), TODAY, now) is None


def test_names_are_joined_as_they_are_said() -> None:
    assert [join([]), join(["a"]), join(["a", "b"]), join(["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
