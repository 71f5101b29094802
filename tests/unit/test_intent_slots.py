"""What is taken out of the words, as a recogniser writes them."""

import pytest

from services.intent.slots import extract


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("set a timer for ten seconds", "10"),
        ("Set a time for 10 seconds.", "10"),
        ("an hour and a half", "5400"),
        ("start a 5-minute timer", "300"),
        ("half an hour", "1800"),
        ("a quarter of an hour", "900"),
        ("two and a half minutes", "150"),
        ("one hour and twenty minutes", "4800"),
        ("a couple of minutes", "120"),
        ("three quarters of an hour", "2700"),
    ],
)
def test_a_length_of_time_becomes_seconds(said: str, seconds: str) -> None:
    assert extract("timer.set", said) == {"duration": seconds}


def test_a_timer_without_a_length_has_no_slot() -> None:
    assert extract("timer.set", "set a timer please") == {}


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("set an alarm for seven thirty pm", "19:30"),
        ("Set an alarm for 7.30 p.m.", "19:30"),
        ("set in the line for 730", "07:30"),
        ("half past six", "06:30"),
        ("wake me at a quarter to eight", "07:45"),
        ("ten to eight in the morning", "07:50"),
        ("eight in the evening", "20:00"),
        ("seven oh five", "07:05"),
        ("noon", "12:00"),
        ("midnight", "00:00"),
        ("12 am", "00:00"),
        ("twelve pm", "12:00"),
        ("at 19:05", "19:05"),
    ],
)
def test_a_clock_time_becomes_hours_and_minutes(said: str, time: str) -> None:
    assert extract("alarm.set", said)["time"] == time


def test_an_alarm_keeps_its_day() -> None:
    assert extract("alarm.set", "wake me up tomorrow at six") == {"time": "06:00", "day": "tomorrow"}


def test_an_alarm_in_some_minutes_has_a_duration_and_no_time() -> None:
    assert extract("alarm.set", "set an alarm in twenty minutes") == {"duration": "1200"}


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ("what is seven times twelve", "7*12"),
        ("What is 7 x 12?", "7*12"),
        ("what's twenty five plus seventeen minus two", "25+17-2"),
        ("how much is a thousand divided by eight", "1000/8"),
        ("thirty percent of 150", "30% of 150"),
        ("20 percent off sixty", "60-20% of 60"),
        ("the square root of eighty one", "square root of 81"),
        ("subtract 13 from 50", "50-13"),
        ("multiply twelve by nine", "12*9"),
        ("what is minus five plus eight", "-5+8"),
        ("two to the power of ten", "2^10"),
        ("three point five times two", "3.5*2"),
    ],
)
def test_spoken_arithmetic_gets_a_normal_form(said: str, expression: str) -> None:
    assert extract("calc.evaluate", said) == {"expression": expression}


@pytest.mark.parametrize("said", ["seven days a week", "what is seven", "two of us", "5 over", "call 555 1234"])
def test_numbers_among_words_are_no_arithmetic(said: str) -> None:
    assert extract("calc.evaluate", said) == {}


@pytest.mark.parametrize(
    ("said", "quantity", "source", "target"),
    [
        ("convert ten miles to kilometers", "10", "mile", "kilometer"),
        ("Convert 5, miles to K.M.", "5", "mile", "kilometer"),
        ("how many cups are there in two liters", "2", "liter", "cup"),
        ("how many grams in a pound", "1", "pound", "gram"),
        ("half a pound in grams", "0.5", "pound", "gram"),
        ("what is minus ten celsius in fahrenheit", "-10", "celsius", "fahrenheit"),
        ("98.6 degrees Fahrenheit in Celsius", "98.6", "fahrenheit", "celsius"),
        ("how tall is six feet in metres", "6", "foot", "meter"),
    ],
)
def test_a_conversion_names_quantity_and_both_units(said: str, quantity: str, source: str, target: str) -> None:
    assert extract("unit.convert", said) == {"quantity": quantity, "from": source, "to": target}


@pytest.mark.parametrize(
    ("said", "item", "named"),
    [
        ("put milk on my shopping list", "milk", "shopping"),
        ("with milk on my shopping list.", "milk", "shopping"),
        ("add some oat milk to the grocery list", "oat milk", "shopping"),
        ("add call the plumber to my to do list", "call the plumber", "to-do"),
        ("add a tent to my camping list", "tent", "camping"),
        ("we're out of eggs, add them to the list", "eggs", "shopping"),
        ("remind me to water the plants", "water the plants", "to-do"),
    ],
)
def test_an_item_and_its_list_are_found(said: str, item: str, named: str) -> None:
    assert extract("list.add", said) == {"item": item, "list": named}


def test_an_item_is_taken_off_its_list() -> None:
    assert extract("list.remove", "take the bananas off of my grocery list") == {"item": "bananas", "list": "shopping"}


def test_clearing_a_list_names_no_item() -> None:
    assert extract("list.remove", "take everything off my packing list") == {"list": "packing"}


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("what is Anna's number", "Anna"),
        ("What is Andy's member?", "Andy"),
        ("N is number", "N"),
        ("What is N is number?", "N"),
        ("What is on his number?", "on his"),
        ("what's the phone number of Dr. Patel", "Dr. Patel"),
        ("do you have my mother's number", "mother"),
        ("how can I reach Peter by phone", "Peter"),
    ],
)
def test_a_name_is_what_was_heard(said: str, name: str) -> None:
    assert extract("contacts.phone", said) == {"name": name}


@pytest.mark.parametrize("said", ["what is his number", "what's the first phone number", "what is my number"])
def test_nobody_in_particular_is_no_name(said: str) -> None:
    assert extract("contacts.phone", said) == {}


@pytest.mark.parametrize(
    ("intent", "said", "slots"),
    [
        ("time.now", "What time is in Tokyo?", {"city": "Tokyo"}),
        ("time.now", "what's the time in Buenos Aires right now", {"city": "Buenos Aires"}),
        ("time.now", "what time is it", {}),
        ("calendar.day", "what's on my calendar next Monday", {"day": "next monday"}),
        ("calendar.day", "which meetings are there this afternoon", {"day": "today"}),
        (
            "note.add",
            "Make a quick note that Tom, my neighbour, has the ladder.",
            {"text": "Tom, my neighbour, has the ladder"},
        ),
        ("contacts.address", "where does Anna live", {"name": "Anna"}),
        ("contacts.birthday", "when was Gabriela born", {"name": "Gabriela"}),
    ],
)
def test_each_intent_has_its_slots(intent: str, said: str, slots: dict[str, str]) -> None:
    assert extract(intent, said) == slots


def test_a_text_longer_than_a_command_has_no_slots_but_a_long_note_is_kept() -> None:
    long = "note that " + "word " * 200
    assert extract("timer.set", long + "ten minutes") == {}
    assert extract("note.add", long)["text"].startswith("word word")
