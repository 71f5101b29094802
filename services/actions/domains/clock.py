"""The time and the date, here and anywhere in the world."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from parlance.spoken import capital
from parlance.spoken_time import day_in, say_date, say_time
from services.actions import places
from services.actions.domain import Action, Asked, Done, Effect

_PLACE = re.compile(
    r"\b(?:in|at|for|over in)\s+((?!the morning|\d)[a-z][\w .,'-]*?)\s*(?:right now|now|today|please)?[?.!]*$"
)
_POSSESSIVE = re.compile(r"\b(?:what'?s|what is|tell me|is)\s+([\w .]+?)(?:'s)?\s+time\b")
_HERE = (
    *("here", "my city", "my location", "my area", "this city", "my time zone", "local", "the", "current", "it"),
    *("the moment", "this moment", "my place", "our place", "home"),
)


def time(asked: Asked) -> Done:
    place = _place(asked)
    if place is None:
        return Done(f"It is {say_time(asked.now)}.")
    found = places.find(place)
    if found is None:
        return _unknown(place)
    there = asked.now.astimezone(ZoneInfo(found.zone))
    return Done(f"It is {say_time(there)} on {there:%A} in {found.spoken}.")


def date(asked: Asked) -> Done:
    place = _place(asked)
    if place is not None and day_in(place, asked.now.date()) is None:
        found = places.find(place)
        if found is None:
            return _unknown(place)
        there = asked.now.astimezone(ZoneInfo(found.zone))
        return Done(f"In {found.spoken} it is {_full(there)}.")
    today = asked.now.date()
    day = day_in(asked.slot("day") or asked.text, today)
    if day is None or day == today:
        return Done(f"Today is {_full(asked.now)}.")
    named = {1: "Tomorrow", -1: "Yesterday"}.get((day - today).days)
    if named is not None:
        verb = "is" if named == "Tomorrow" else "was"
        return Done(f"{named} {verb} {say_date(day, today)}.")
    return Done(f"That is {say_date(day, today)}.")


def _full(moment: datetime) -> str:
    return f"{moment:%A}, {moment:%B} {moment.day}, {moment.year}"


def _place(asked: Asked) -> str | None:
    """What was named as the place; None: here."""
    named = asked.slot("city", "place", "location")
    if not named:
        text = asked.text.lower().strip()
        found = _PLACE.search(text) or _POSSESSIVE.search(text)
        named = found[1].strip(" .,") if found else ""
    return None if not named or named.lower() in _HERE else named


def _unknown(place: str) -> Done:
    return Done(f"I do not know a place called {capital(place)}. Which city is near it?")


ACTIONS = {
    "time.now": Action(Effect.READ, answer=time),
    "date.today": Action(Effect.READ, answer=date),
}
