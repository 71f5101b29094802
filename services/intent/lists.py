"""What is to go on a list, or off it, and which list is meant."""

import re

_I = re.IGNORECASE
_LIST = (
    r"(?P<list>(?:(?:the|my|our|a|this|that) )?(?:[\w'-]+ ){0,3}?(?:lists?|groceries|(?:shopping|chopping)(?:"
    r" (?:this|lest))?))"
)
_PUT = (
    r"(?:add|put|write|note|place|include|insert|stick|pop|push|throw|pencil|jot|get|need"
    r"|(?:i|we)(?:'d like| need| want)"
    r"|new item|with|but|foot|pud|had|ad|at|and)"
)
_ADDED = tuple(
    re.compile(pattern, _I)
    for pattern in (
        rf"^(?P<item>.+?),? (?:and |so |then )?(?:add|put|write) (?:it|them|that|this|those)(?: down)?"
        rf" (?:on ?to|on|to|in ?to|in) {_LIST}$",
        rf"^(?:{_PUT} )?(?:(?:down|in) )?(?P<item>.+?) (?:down )?(?:on ?to|on|to|in ?to|in|and) {_LIST}$",
        rf"^(?:new item on )?{_LIST},? (?:add|put|needs?|include):? ?(?P<item>.+)$",
        rf"^new item on {_LIST},? (?P<item>.+)$",
        r"^(?:remind me|remember) (?:to|about) (?P<item>.+)$",
        r"^(?:we|i)(?:'re| are|'m| am)? (?:all )?(?:ran |run |running )?(?:out of|low on|short of) (?P<item>.+)$",
        r"^(?:(?:i|we) )?(?:(?:need|have) to )?(?:buy|get|need|put|add) (?P<item>.+)$",
    )
)
_TAKE = (
    r"(?:take|remove|delete|cancel|cross|strike|straight|scratch|drop|erase|check|tick|uncheck|mark|get rid of|move"
    r"|(?:we|i) (?:no longer|don't) need|we removed)"
)
_TAKEN = tuple(
    re.compile(pattern, _I)
    for pattern in (
        rf"^(?P<item>.+?),? (?:and |so |then )?(?:take|cross|deleted?|remove|strike) ?(?:it|them|that)?(?: off"
        rf"| out)?(?: of| from)? {_LIST}$",
        rf"^{_TAKE} (?:(?:off|out|away) )?(?P<item>.+?) (?:as done )?(?:off(?: of)?|from|out of|of|on|for|in) {_LIST}$",
        r"^(?:remove|delete|(?:cross|take|tick|check|strike) off|cross out|scratch) (?P<item>.+)$",
    )
)
_GONE = re.compile(
    r"^(?:i|we)(?:'ve| have)? (?:already |just )?(?:bought|got|brought|have|don't need|no longer need) ", _I
)
_NEEDED = re.compile(
    r"^(?:i|we)(?:'re| are|'m| am)? (?:(?:running )?(?:low on|out of|short of)|ran out of|need|want|have to buy) ", _I
)
_NO_ITEM = re.compile(r"^(?:everything|all\b.*|it|them|that|the list|list|(?:the |my |our )?\w* ?list)$", _I)
_DETERMINERS = re.compile(r"^(?:(?:some|the|a|an|any|more|also|please|my) )+(?=\w)", _I)
_NAME = re.compile(r"(?P<list>(?:[\w'-]+ ){1,3}?)lists?\b", _I)
_LEFT_OF_NAME = re.compile(
    r"^.*\b(?:on|onto|to|in|into|from|off|of|is|are|show|read|clear|empty|delete|wipe|open|hear|the|my|our|a|out|me) ",
    _I,
)
_TODO = re.compile(r"\bto[ -]?dos?\b|\b(?:tasks?|chores?|reminders?|remind me)\b", _I)
_SHOP = re.compile(r"\b(?:shopping|grocer(?:y|ies)|chopping|shocking|stopping)\b", _I)


def added(text: str) -> dict[str, str]:
    return _slots(text, _ADDED, _NEEDED)


def taken(text: str) -> dict[str, str]:
    return _slots(text, _TAKEN, _GONE)


def shown(text: str) -> dict[str, str]:
    return {"list": list_name(text)}


def list_name(text: str) -> str:
    """ "to-do", "shopping" (also where no list is named), or what the list was called: "packing"."""
    lowered = text.lower()
    if _SHOP.search(lowered):
        return "shopping"
    if _TODO.search(lowered):
        return "to-do"
    for found in reversed(list(_NAME.finditer(lowered))):
        name = _LEFT_OF_NAME.sub("", found["list"]).strip()
        if name not in {"", "the", "my", "our", "a", "this", "that", "all", "what", "on"}:
            return name
    return "shopping"


def _slots(text: str, patterns: "tuple[re.Pattern[str], ...]", before: "re.Pattern[str]") -> dict[str, str]:
    for pattern in patterns:
        if (found := pattern.match(text)) is not None:
            named = found.groupdict().get("list") or ("to-do" if _TODO.match(text) else "")
            item = _DETERMINERS.sub("", before.sub("", found["item"])).strip(" ,.")
            return {"list": list_name(named)} if _NO_ITEM.match(item) else {"item": item, "list": list_name(named)}
    return {"list": list_name(text)}
