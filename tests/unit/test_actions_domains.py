import pytest

from services.actions import places
from tests.unit.actions_rows import NOW, User


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("what time is it", "It is 6:05 PM."),
        ("what time is it at the moment", "It is 6:05 PM."),
        ("What time is it in Tokyo?", "It is 3:05 AM on Wednesday in Tokyo."),
        ("what's the time in new york city right now", "It is 1:05 PM on Tuesday in New York City."),
        ("time in Paris, Texas", "It is 12:05 PM on Tuesday in Paris, Texas."),
        ("what time is it in portland maine", "It is 1:05 PM on Tuesday in Portland, Maine."),
        ("what is the time in California", "It is 10:05 AM on Tuesday in Los Angeles, California."),
        ("what time is it in japan", "It is 3:05 AM on Wednesday in Tokyo, Japan."),
        ("what time is it in bombay", "It is 11:35 PM on Tuesday in Bombay."),
        ("what time is it in S\u00e3o Paulo", "It is 3:05 PM on Tuesday in Sao Paulo."),
        ("what time is it in pacific time", "It is 10:05 AM on Tuesday in the Pacific time zone."),
    ],
)
def test_the_time_is_known_anywhere_in_the_world(asked: str, said: str) -> None:
    assert User().says("time.now", asked) == said


def test_a_city_slot_goes_before_the_text() -> None:
    assert User().says("time.now", "what time is it there", city="Tokyo") == "It is 3:05 AM on Wednesday in Tokyo."


def test_an_unknown_city_is_asked_for() -> None:
    said = User().says("time.now", "what time is it in Zanzibarlandia")
    assert said == "I do not know a place called Zanzibarlandia. Which city is near it?"


def test_of_two_cities_the_most_populous_is_meant_unless_the_region_is_said() -> None:
    for name, zone in {"london": "Europe/London", "london canada": "America/Toronto"}.items():
        found = places.find(name)
        assert found is not None and found.zone == zone


def test_every_zone_of_the_gazetteer_exists() -> None:
    from zoneinfo import ZoneInfo

    zones = {line.split(b"\t")[3].decode() for line in places._gazetteer().splitlines()}
    assert len(zones) > 300 and all(ZoneInfo(zone) for zone in zones)


def test_the_gazetteer_is_sorted_as_its_search_needs() -> None:
    keys = [line.split(b"\t")[0] for line in places._gazetteer().splitlines()]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("what's the date", "Today is Tuesday, November 24, 2026."),
        ("what day is tomorrow", "Tomorrow is Wednesday, November 25."),
        ("what is the date next friday", "That is Friday, November 27."),
        ("what is the date in Auckland", "In Auckland it is Wednesday, November 25, 2026."),
    ],
)
def test_the_date_is_known(asked: str, said: str) -> None:
    assert User().says("date.today", asked) == said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("ten miles in kilometers", "10 miles is about 16.09 kilometers."),
        ("how many cups are in a gallon", "1 gallon is 16 cups."),
        ("70 fahrenheit to celsius", "70 degrees Fahrenheit is about 21.11 degrees Celsius."),
        ("what is 70 degrees in celsius", "70 degrees Fahrenheit is about 21.11 degrees Celsius."),
        ("minus 40 celsius in fahrenheit", "Minus 40 degrees Celsius is minus 40 degrees Fahrenheit."),
        ("what's 5 feet 11 inches in centimeters", "5 feet and 11 inches is 180.34 centimeters."),
        ("how many ounces are in 3 pounds", "3 pounds is 48 ounces."),
        ("how many ounces in a cup", "1 cup is 8 fluid ounces."),
        ("100 km/h in mph", "100 kilometers per hour is about 62.14 miles per hour."),
        ("5 in to cm", "5 inches is 12.7 centimeters."),
        ("convert miles to kilometers", "1 mile is about 1.61 kilometers."),
        ("10 miles in kilograms", "I cannot convert miles into kilograms."),
    ],
)
def test_units_are_converted(asked: str, said: str) -> None:
    assert User().says("unit.convert", asked) == said


def test_unit_slots_go_before_the_text() -> None:
    said = User().says("unit.convert", "", quantity="10", **{"from": "miles", "to": "kilometers"})
    assert said == "10 miles is about 16.09 kilometers."


def test_a_length_in_two_units_is_read_from_the_text_where_the_slots_hold_one() -> None:
    slots = {"quantity": "11", "from": "inch", "to": "centimeter"}
    assert User().says("unit.convert", "5 feet 11 inches in centimeters", **slots) == (
        "5 feet and 11 inches is 180.34 centimeters."
    )


def test_an_unknown_unit_is_asked_for() -> None:
    assert User().says("unit.convert", "convert bananas to apples").startswith("Tell me what to convert")


def test_timers_are_set_listed_and_cancelled_by_name() -> None:
    user = User()
    assert user.says("timer.set", "set a timer for ten seconds", duration="10") == "Your timer for 10 seconds is set."
    assert user.says("timer.set", "set a pasta timer for 10 minutes") == "Your pasta timer for 10 minutes is set."
    assert user.says("timer.set", "a timer for the eggs for 7 minutes") == "Your eggs timer for 7 minutes is set."
    assert [r.due_us - int(NOW.timestamp() * 1e6) for r in user.rows.all("timer")] == [10**7, 6 * 10**8, 42 * 10**7]
    assert user.done("timer.list", "how long is left").lines[0] == "10 seconds left on your timer for 10 seconds"
    assert not user.done("timer.cancel", "cancel the timer").acted
    assert user.says("timer.cancel", "cancel the pasta timer") == "Your pasta timer is cancelled."
    assert user.says("timer.cancel", "cancel all timers") == "2 timers are cancelled."
    assert user.says("timer.list", "any timers") == "You have no timers running."


@pytest.mark.parametrize("asked", ["set a timer", "set a timer for 90 days", "set a timer for zero seconds"])
def test_a_timer_without_a_sensible_length_is_not_set(asked: str) -> None:
    user = User()
    assert not user.done("timer.set", asked).acted and user.rows.all("timer") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("set an alarm for 7", "Your alarm is set for 7 PM today."),
        ("wake me up at seven", "Your alarm is set for 7 AM tomorrow."),
        ("wake me up at 6:30 tomorrow", "Your alarm is set for 6:30 AM tomorrow."),
        ("set an alarm for noon on friday", "Your alarm is set for 12 PM on Friday."),
        ("set an alarm in ten minutes", "Your alarm is set for 6:15 PM today."),
        ("set an alarm for 5 pm today", "That time has already passed. Name a time to come."),
        ("set an alarm", "For what time? Say, for example, set an alarm for seven AM tomorrow."),
    ],
)
def test_an_alarm_is_set_for_the_time_that_is_meant(asked: str, said: str) -> None:
    assert User().says("alarm.set", asked) == said


def test_alarms_are_listed_and_cancelled_by_their_time() -> None:
    user = User()
    user.says("alarm.set", "alarm at 7:30 in the evening", time="19:30")
    user.says("alarm.set", "wake me at 7", time="07:00", day="tomorrow")
    assert user.says("alarm.list", "which alarms") == "You have 2 alarms: for 7:30 PM today and 7 AM tomorrow."
    assert user.says("alarm.set", "alarm at 7:30 pm") == "You already have an alarm for 7:30 PM today."
    assert user.says("alarm.cancel", "cancel the 7 am alarm") == "Your alarm for 7 AM tomorrow is cancelled."
    assert user.says("alarm.cancel", "cancel my alarm") == "Your alarm for 7:30 PM today is cancelled."
    assert user.says("alarm.cancel", "cancel my alarm") == "You have no alarms set."


def test_a_shopping_list_is_filled_read_and_emptied() -> None:
    user = User()
    done = user.done("list.add", "put milk on my shopping list")
    assert (done.say, done.summary) == ("I put milk on your shopping list.", "milk is on your shopping list")
    assert user.says("list.add", "Put milk on my shopping list.") == "Milk is already on your shopping list."
    assert user.says("list.add", "add eggs, the milk and some bread", list="shopping") == (
        "I put eggs and bread on your shopping list. Milk is already there."
    )
    shown = user.done("list.show", "what's on my shopping list")
    assert shown.say == "Your shopping list has milk, eggs and bread." and shown.lines == ["milk", "eggs", "bread"]
    assert user.says("list.remove", "take the milk off my shopping list") == "I took milk off your shopping list."
    assert user.says("list.remove", "remove wine from my shopping list") == "Wine is not on your shopping list."
    assert user.says("list.remove", "clear my shopping list") == "Your shopping list is empty now."
    assert user.says("list.show", "what's on my shopping list") == "Your shopping list is empty."


def test_lists_have_names() -> None:
    user = User()
    user.says("list.add", "add call mom to my to do list")
    user.says("list.add", "add sugar to my grocery list")
    assert user.says("list.show", "what's on my to-do list") == "Your to-do list has call mom."
    assert user.says("list.show", "read my lists") == "You have 2 lists: to-do and shopping."
    assert user.says("list.show", "", list="shopping") == "Your shopping list has sugar."


def test_a_list_is_found_by_the_sound_of_its_name() -> None:
    user = User()
    user.says("list.add", "put socks on my packing list")
    assert user.says("list.show", "what's on my backing list") == "Your packing list has socks."
    assert user.says("list.add", "add soap to my backing list") == "I put soap on your packing list."
    assert user.says("list.remove", "take soap off my backing list") == "I took soap off your packing list."
    assert user.says("list.add", "put milk on my chopping list") == "I put milk on your shopping list."


def test_a_list_of_another_name_is_another_list() -> None:
    """Also where it sounds like one that exists, once it exists itself."""
    user = User()
    for name in ("packing", "camping", "hiking"):
        assert user.says("list.add", f"put rope on my {name} list") == f"I put rope on your {name} list."
    user.rows.add("list", {"list": "backing", "item": "vocals"})
    assert user.says("list.show", "what's on my backing list") == "Your backing list has vocals."


@pytest.mark.parametrize("asked", ["add to my list", "put on my shopping list", ""])
def test_an_item_that_is_missing_is_asked_for(asked: str) -> None:
    done = User().done("list.add", asked)
    assert done.say == "What should I put on your shopping list?" and not done.acted


def test_notes_are_taken_and_read() -> None:
    user = User()
    assert user.says("note.show", "read my notes") == "You have no notes."
    assert user.says("note.add", "take a note: the key is under the mat") == "I noted: the key is under the mat."
    assert user.says("note.show", "read my notes") == "You have one note: the key is under the mat."
    user.says("note.add", "", note="Anna likes tea.")
    assert user.says("note.show", "") == "You have 2 notes. First: the key is under the mat. Second: Anna likes tea."
    assert not user.done("note.add", "make a note").acted
