"""What is written one way and said another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.normalise import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is 14:05.", "It is 14 oh 5."),
        ("It is 9:30 AM.", "It is 9 30 AM."),
        ("It is 9:00 p.m. in London.", "It is 9 PM in London."),
        ("At 9:00, 14:00 and 00:00.", "At 9 o'clock, 14 hundred and midnight."),
        ("At 0:05.", "At zero oh 5."),
        ("See you at 2pm.", "See you at 2 PM."),
        ("From 9:00-10:30.", "From 9 o'clock to 10 30."),
        ("The odds are 99:1.", "The odds are 99:1."),
        ("On 2026-11-24.", "On November 24th, 2026."),
        ("On 2026-03-01, 2026-03-02, 2026-03-13.", "On March 1st, 2026, March 2nd, 2026, March 13th, 2026."),
        ("Not 2026-99-99.", "Not 2026-99-99."),
    ],
)
def test_times_and_dates(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("+49 30 1234567", "plus four nine, three zero, one two three, four five six seven"),
        ("030 / 555 01 23", "zero three zero, five five five, zero one, two three"),
        ("(415) 555-0132", "four one five, five five five, zero one three two"),
        ("555-0123", "five five five, zero one two three"),
        ("Anna's number is 5550123.", "Anna's number is five five five, zero one two three."),
        ("The code is 48213.", "The code is four eight two, one three."),
        ("Her number is plus 4 9, 3 0, 1 2 3.", "Her number is plus 4 9, 3 0, 1 2 3."),
    ],
)
def test_phone_numbers_are_said_digit_by_digit(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    "text",
    [
        "7 times 12 is 84.",
        "That is 1,234,567.",
        "1024 divided by 3 is 341.33.",
        "It is 2026.",
        "There are 12 and 34 56 78.",
        "The result is 5550123456.",
        "Version 1.2.3 at 192.168.0.1.",
        "No. I did not, sir (really): yes!",
        "I'll be there; wait — a moment…",
        "Is it 24/7?",
    ],
)
def test_what_a_voice_reads_well_stays_as_it_is(text: str) -> None:
    assert speakable(text) == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is 21 °C, 70°F.", "It is 21 degrees Celsius, 70 degrees Fahrenheit."),
        ("It is 1 °C, -3° at night.", "It is 1 degree Celsius, minus 3 degrees at night."),
        ("5% of 20 %", "5 percent of 20 percent"),
        ("1 km is 0.62 mi.", "1 kilometer is 0.62 miles."),
        ("10 s, 5 min, 2 h", "10 seconds, 5 minutes, 2 hours"),
        ("50 km/h and 5 m²", "50 kilometers per hour and 5 square meters"),
        ("5 in total, 3 a day", "5 in total, 3 a day"),
        ("€12.50, 12,50 € and $1", "12 euros and 50 cents, 12 euros and 50 cents and 1 dollar"),
        ("$1,234.56 or £3.01", "1,234 dollars and 56 cents or 3 pounds and 1 penny"),
        ("$5 million", "5 million dollars"),
        ("\u22125 \u00d7 3 = \u221215", "minus 5 times 3 equals minus 15"),
        ("84 ÷ 2 = 42, 2^10, x²", "84 divided by 2 equals 42, 2 to the power of 10, x squared"),
        ("6*7 = 42", "6 times 7 equals 42"),
        ("1/2 cup, 3/4", "one half cup, 3 quarters"),
        ("5-10 people, 2019\u20132021", "5 to 10 people, 2019 to 2021"),
        ("#5, No. 7", "number 5, number 7"),
        ("A & B, e.g. Dr. No", "A and B, for example Doctor No"),
    ],
)
def test_units_money_and_signs_become_words(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold**, *soft* and `code`.", "Bold, soft and code."),
        ("# Title\n- one\n- two", "Title. one. two"),
        ("See [the page](http://x.org/y).", "See the page."),
        ("See https://example.com/a.", "See example dot com slash a."),
        ("Write to anna@example.com.", "Write to anna at example dot com."),
        ("Good 👍🏽 job 🎉!", "Good job!"),
        ("naïve café, 你好", "naïve café, 你好"),
        ("say parlance routes set llm.", "say parlance routes set LLM."),
    ],
)
def test_markup_addresses_and_pictures_are_not_read_out(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize("text", ["", "  ", "...", "🎉", "**", "—"])
def test_what_holds_no_word_is_nothing(text: str) -> None:
    assert speakable(text) == ""


def test_saying_it_twice_changes_nothing() -> None:
    once = speakable("At 14:05, +49 30 1234567, 21 °C, €12.50 and -5.")
    assert speakable(once) == once


@given(st.text(alphabet=st.sampled_from("aeDrMstgNovc .,;:?!'"), max_size=40))
def test_the_short_way_for_plain_words_says_the_same(text: str) -> None:
    a_sign_that_is_dropped = "\u200b"
    assert speakable(text) == speakable(text + a_sign_that_is_dropped)
