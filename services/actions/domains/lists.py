"""Lists: shopping, to-do, any name. Add, show, remove, clear."""

import re

from parlance.sounds import distance, sounds
from parlance.spoken import capital, join
from services.actions.domain import Action, Asked, Done, Effect, Row, Rows

KIND = "list"
_DEFAULT = "shopping"
_TO_DO = "to-do"
# Names that sound farther apart than this are of different lists.
_FARTHEST = 0.22
_NAME = re.compile(r"((?:[\w'-]+ ){1,2})list\b")
# What stands before a list's name and is no part of it.
_NO_NAME = {
    *("on", "onto", "to", "in", "into", "from", "off", "of", "is", "are", "what's", "whats", "the", "my", "our"),
    *("a", "this", "show", "read", "clear", "empty", "delete", "wipe", "me", "that", "and"),
}
_ADDED = re.compile(
    r"\b(?:add|put|write|include|insert|with|need|get|remember)\s+(?P<items>.+?)\s+(?:on|onto|to|in|into)\s+"
)
_PLAIN = re.compile(r"\b(?:add|put|i need|we need|buy|remind me to|need to buy)\s+(?P<items>.+?)[.!?]*$")
_TAKEN = re.compile(
    r"\b(?:remove|delete|take|cross|scratch|strike|erase|get rid of)\s+(?:off\s+)?"
    r"(?P<items>.+?)\s+(?:from|off|of|on)\s+"
)
_TAKEN_PLAIN = re.compile(r"\b(?:remove|delete|cross off|cross out|take off|scratch)\s+(?P<items>.+?)[.!?]*$")
_EVERYTHING = re.compile(r"\b(?:clear|empty|wipe|everything|all items|all of it)\b")
_FILLERS = re.compile(r"^(?:and |some |the |a |an |also )+|\b(?:please|too|as well)$")


def add(asked: Asked, rows: Rows) -> Done:
    name, items = _meant(_name(asked), rows), _items(asked, _ADDED, _PLAIN)
    if not items:
        return Done(f"What should I put on your {name} list?", acted=False)
    there = {_same(row.data["item"]) for row in _rows(rows, name)}
    new = [item for n, item in enumerate(items) if _same(item) not in there | {_same(i) for i in items[:n]}]
    if not new:
        return Done(f"{capital(join(items))} {_is(items)} already on your {name} list.", acted=False)
    for item in new:
        rows.add(KIND, {"list": name, "item": item})
    summary = f"{join(new)} {_is(new)} on your {name} list"
    old = [item for item in items if _same(item) in there]
    also = f" {capital(join(old))} {_is(old)} already there." if old else ""
    return Done(f"I put {join(new)} on your {name} list.{also}", summary)


def show(asked: Asked, rows: Rows) -> Done:
    name = _meant(_name(asked, ""), rows)
    if not name:
        names = _names(rows)
        if len(names) > 1:
            return Done(f"You have {len(names)} lists: {join(names)}.", title="Lists", lines=names)
        name = names[0] if names else _DEFAULT
    items = [row.data["item"] for row in _rows(rows, name)]
    if not items:
        return Done(f"Your {name} list is empty.")
    return Done(f"Your {name} list has {join(items)}.", title=f"{capital(name)} list", lines=items)


def remove(asked: Asked, rows: Rows) -> Done:
    name = _meant(_name(asked), rows)
    there = _rows(rows, name)
    items = _items(asked, _TAKEN, _TAKEN_PLAIN)
    if _EVERYTHING.search(asked.text.lower()) and not asked.slot("item"):
        return _clear(name, there, rows)
    if not items:
        return Done(f"What should I take off your {name} list?", acted=False)
    wanted = {_same(item) for item in items}
    gone = [row for row in there if _same(row.data["item"]) in wanted]
    if not gone:
        return Done(f"{capital(join(items))} {_is(items)} not on your {name} list.", acted=False)
    for row in gone:
        rows.remove(row)
    taken = list(dict.fromkeys(row.data["item"] for row in gone))
    return Done(f"I took {join(taken)} off your {name} list.", f"{join(taken)} {_is(taken)} off your {name} list")


def _clear(name: str, there: list[Row], rows: Rows) -> Done:
    if not there:
        return Done(f"Your {name} list is empty.", acted=False)
    for row in there:
        rows.remove(row)
    return Done(f"Your {name} list is empty now.", f"your {name} list is empty now")


def _rows(rows: Rows, name: str) -> list[Row]:
    return [row for row in rows.all(KIND) if row.data["list"] == name]


def _names(rows: Rows) -> list[str]:
    """The user's lists, oldest first."""
    return list(dict.fromkeys(row.data["list"] for row in rows.all(KIND)))


def _meant(heard: str, rows: Rows) -> str:
    """The list of this name; where there is none, the one that sounds most like it: "backing" is "packing"."""
    known = [*_names(rows), _DEFAULT, _TO_DO]
    if not heard or heard in known:
        return heard
    apart = {name: distance(sounds(heard), sounds(name), _FARTHEST) for name in known}
    nearest = min(known, key=lambda name: apart[name])
    return nearest if apart[nearest] <= _FARTHEST else heard


def _name(asked: Asked, default: str = _DEFAULT) -> str:
    text = asked.text.lower().replace("to do", _TO_DO).replace("todo", _TO_DO)
    said = asked.slot("list").lower().replace("to do", _TO_DO).replace("todo", _TO_DO)
    if not said and (found := _NAME.search(text)):
        said = found[1]
    name = ""
    for word in said.split():
        name = "" if word in _NO_NAME else f"{name} {word}"
    name = name.removesuffix(" list").strip().replace("groceries", "shopping").replace("grocery", "shopping")
    return name or (_TO_DO if "remind me to" in text and default else default)


def _items(asked: Asked, *patterns: re.Pattern[str]) -> list[str]:
    said = asked.slot("item")
    text = asked.text.lower()
    for pattern in patterns:
        if not said and (found := pattern.search(text)):
            said = found["items"]
    parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", said.strip())
    clean = [_FILLERS.sub("", part.strip()).strip(" .!?") for part in parts]
    return [item for item in clean if item and not re.search(r"\blists?$", item)]


def _same(item: str) -> str:
    """One thing, however it was said: "Eggs", "the egg"."""
    plain = _FILLERS.sub("", item.lower().strip())
    return plain.removesuffix("s") if len(plain) > 3 else plain


def _is(items: list[str]) -> str:
    one = len(items) == 1 and (not items[0].endswith("s") or items[0].endswith("ss"))
    return "is" if one else "are"


ACTIONS = {
    "list.add": Action(Effect.LOCAL, act=add),
    "list.show": Action(Effect.READ, act=show),
    "list.remove": Action(Effect.LOCAL, act=remove),
    "list.clear": Action(Effect.LOCAL, act=remove),
}
