"""What synthetic talkers ask: for every intent that Parlance knows some ways to say it, and open questions."""

from collections.abc import Callable

# How often each kind is asked, in parts of their sum.
WEIGHTS: dict[str, int] = {
    "chat": 24,
    "time.now": 8,
    "date.today": 4,
    "timer.set": 9,
    "timer.list": 3,
    "timer.cancel": 3,
    "alarm.set": 5,
    "alarm.list": 2,
    "alarm.cancel": 2,
    "calc.evaluate": 6,
    "unit.convert": 5,
    "list.add": 8,
    "list.show": 5,
    "list.remove": 3,
    "note.add": 3,
    "note.show": 2,
    "contacts.phone": 3,
    "contacts.email": 1,
    "contacts.address": 1,
    "contacts.birthday": 1,
    "calendar.next": 3,
    "calendar.day": 3,
    "greeting": 3,
    "repeat": 2,
    "help": 1,
    "affirm": 1,
    "deny": 1,
    "stop": 1,
}

WAYS: dict[str, tuple[str, ...]] = {
    "chat": (
        "why is the sky blue",
        "tell me a fact about {thing}s",
        "who invented the {thing}",
        "how do I cook {food} for {few} people",
        "what is the difference between a {thing} and a {other}",
        "give me a name for a {thing} shop in {city}",
        "what should I see in {city} if I have {few} days",
        "explain how a {thing} works to a child",
    ),
    "time.now": ("what time is it", "what time is it in {city}", "what is the time in {city}"),
    "date.today": ("what is the date today", "what day is it today", "what's today's date"),
    "timer.set": (
        "set a timer for {many} minutes",
        "set a {food} timer for {many} minutes",
        "start a timer for an hour",
    ),
    "timer.list": ("what timers do I have", "how much time is left on my timer"),
    "timer.cancel": ("cancel the timer", "stop the {food} timer", "cancel all timers"),
    "alarm.set": ("set an alarm for {hour} am", "wake me up at {hour} tomorrow", "set an alarm for {hour} thirty pm"),
    "alarm.list": ("what alarms do I have", "when is my alarm"),
    "alarm.cancel": ("cancel my alarm", "delete all my alarms"),
    "calc.evaluate": (
        "what is {many} times {few}",
        "how much is {many} plus {many}",
        "what is {few} percent of {many}",
    ),
    "unit.convert": ("how many kilometers are {many} miles", "convert {many} pounds to kilograms"),
    "list.add": ("put {food} on my shopping list", "add {food} and {other} to my shopping list"),
    "list.show": ("what is on my shopping list", "what's on my to do list"),
    "list.remove": ("take {food} off my shopping list", "remove {food} from my shopping list"),
    "note.add": ("take a note: ask about the {thing}", "remember that the {thing} is in the cellar"),
    "note.show": ("read my notes", "show me my notes"),
    "contacts.phone": ("what is {name}'s phone number", "give me {name}'s number"),
    "contacts.email": ("what is {name}'s email address",),
    "contacts.address": ("where does {name} live", "what is {name}'s address"),
    "contacts.birthday": ("when is {name}'s birthday",),
    "calendar.next": ("when is my next meeting", "what is my next appointment"),
    "calendar.day": ("what's on my calendar tomorrow", "what is on my calendar today"),
    "greeting": ("hello", "good morning", "hi there"),
    "repeat": ("say that again", "repeat that"),
    "help": ("what can you do", "help"),
    "affirm": ("yes", "yes please"),
    "deny": ("no", "no thanks"),
    "stop": ("stop", "never mind"),
}

_WORDS: dict[str, tuple[str, ...]] = {
    "city": ("Tokyo", "Madrid", "Nairobi", "Lima", "Sydney", "Toronto", "Paris", "Cairo", "Oslo", "Delhi"),
    "thing": ("bicycle", "telescope", "kettle", "violin", "lighthouse", "compass", "camera", "piano"),
    "other": ("lantern", "teapot", "radio", "bread", "candles", "honey", "umbrella"),
    "food": ("milk", "eggs", "pasta", "rice", "apples", "coffee", "tomatoes", "cheese"),
    "few": ("two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "many": ("10", "12", "15", "20", "25", "30", "45", "60", "90"),
    "hour": ("six", "seven", "eight", "nine", "ten"),
    "name": ("Anna", "Ben", "Clara", "David", "Emma", "Frank"),
}

# One of some, evenly.
Pick = Callable[[tuple[str, ...]], str]


def question(intent: str, pick: Pick) -> str:
    """One way to ask for it."""
    words = pick(WAYS[intent])
    for name, known in _WORDS.items():
        while f"{{{name}}}" in words:
            words = words.replace(f"{{{name}}}", pick(known), 1)
    return words
