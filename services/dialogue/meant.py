"""What an answer to "May I ask ChatGPT?" says: read from its words, where a question is open."""

import re
from enum import Enum
from functools import lru_cache

from parlance.v1.intent_pb2 import IntentRecognized


class Said(Enum):
    YES = "yes"
    NO = "no"
    ALWAYS = "always"
    NEVER = "never"


# An answer is made of these alone. In this order, so that "never ever" is not read as "never" and something else.
_WORDS: tuple[tuple[Said | None, str], ...] = (
    (Said.YES, "no problem"),
    (Said.NEVER, r"never ever|not ever|(?:do not|don t) (?:you )?ever|never"),
    (Said.ALWAYS, r"always|every time|each time|from now on|any ?time"),
    (Said.NO, r"i d rather not|rather not|not (?:now|this time|today|yet)|do not|don t|no|nope|nah"),
    (Said.YES, r"yes|yeah|yep|yup|sure|okay|ok|of course|all ?right|fine|you (?:can|may)|go ahead|go on"),
    (Said.YES, r"(?:just |only |but |for )*(?:this (?:once|time|one(?: time)?|question)|once|one time|now)"),
    (None, r"(?:do|ask|use|allow|let)(?: (?:it|that|them|him|her|this|so|(?:a|the) partner(?: s model)?|{name}))?"),
    (None, r"again|please|thanks|thank you"),
)
# "Ask it" is a yes, "don't ask it" is none.
_ASK = re.compile(r"\b(?:ask|use|allow|do it|do that)\b")
_INTENTS = {"affirm": Said.YES, "deny": Said.NO}
_LONGEST = 60


def meant(event: IntentRecognized, name: str) -> Said | None:
    """None: it is no answer. `name`: whom it was asked about."""
    words = _plain(event.text)
    if words and len(words) <= _LONGEST:
        found = _told(words, _plain(name))
        if found is not None:
            return found
    return _INTENTS.get(event.intent)


def _told(words: str, name: str) -> Said | None:
    tokens, at, told = _tokens(name), 0, set[Said]()
    while at < len(words):
        match = tokens.match(words, at)
        if match is None:
            return None
        said = _WORDS[int(str(match.lastgroup)[1:])][0]
        told |= {said} if said is not None else set()
        at = match.end()
    if Said.NEVER in told:
        return Said.NEVER
    if Said.NO in told:
        return None if Said.ALWAYS in told else Said.NO
    if Said.ALWAYS in told:
        return Said.ALWAYS
    return Said.YES if told or _ASK.search(words) else None


@lru_cache(maxsize=16)
def _tokens(name: str) -> "re.Pattern[str]":
    kinds = (f"(?P<k{n}>{words})" for n, (_, words) in enumerate(_WORDS))
    return re.compile(rf"(?:{'|'.join(kinds)})(?: |$)".replace("{name}", re.escape(name) or "it"))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
