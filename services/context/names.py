"""Which of the user's contacts is meant by a name as it was heard: "N is", "Andy" and "Hannah" may all be Anna."""

import re
from collections.abc import Iterator, Sequence

from parlance.sounds import distance, sounds
from services.context.contacts import Contact
from services.context.spelled import Spelled

# Farther than this is another name; two names closer together than the second are equally likely.
_FARTHEST = 0.22
_TIE = 0.03
# How near a word must come that does not stand where a name is expected.
_CLEARLY = 0.08
_NO_NAMES = {
    *("what", "what's", "whats", "is", "the", "of", "for", "my", "me", "a", "an", "number", "phone", "email"),
    *("mail", "address", "birthday", "tell", "give", "show", "find", "when", "where", "does", "live"),
    *(
        "do",
        "you",
        "know",
        "have",
        "i",
        "in",
        "on",
        "to",
        "and",
        "his",
        "her",
        "their",
        "contact",
        "contacts",
        "details",
        "mobile",
        "cell",
        "work",
    ),
    *("home", "can", "how", "reach", "call", "please", "it", "s", "has", "are", "was", "who", "whose", "any"),
}
_SHORT_NAMES = {
    **{"bob": "robert", "rob": "robert", "bill": "william", "andy": "andrew", "tony": "anthony", "joe": "joseph"},
    **{"kate": "katherine", "katie": "katherine", "mike": "michael", "tom": "thomas", "jim": "james"},
    **{"dave": "david", "steve": "steven", "chris": "christopher", "alex": "alexander", "sam": "samuel"},
    **{"ben": "benjamin", "will": "william", "liz": "elizabeth", "beth": "elizabeth", "ted": "edward"},
    **{"matt": "matthew", "nick": "nicholas", "dan": "daniel", "jen": "jennifer", "jenny": "jennifer"},
    **{"sue": "susan", "maggie": "margaret", "peggy": "margaret"},
}
_WHAT = (
    r"(?:(?:tele)?phone|cell|mobile|work|home)?\s*(?:number|member|phone|mobile|cell)|e-?mail(?: address)?|address|"
    r"birthday|birth ?date|contact(?: details| info)?|details|lives?"
)
_LEAD = re.compile(
    r"^.*?\b(?:what(?:'s| is| was|s)?|when(?:'s| is|s)?|where (?:is|does)|tell me|give me|show me|find|look up|get|"
    r"do you (?:know|have)|say|read me|i need|how can i reach)\s+"
)
_OWNER = re.compile(rf"^(?:the\s+)?(?:{_WHAT})\s+(?:of|for)\s+(?P<name>.+)$")
_OWNED = re.compile(rf"^(?:the\s+)?(?P<name>.+?)\s+(?:{_WHAT})\b.*$")
_CALLED = re.compile(r"^(?:call|phone|ring|text|email|e-mail|reach|where does)\s+(?P<name>.+?)(?:\s+live)?$")


def name_in(text: str) -> str:
    """The name in a question as it was heard: "What is N is number?" -> "n is". "" where there is none."""
    plain = re.sub(r"[?.!,]+", " ", text.lower().replace("\u2019", "'")).strip()
    bare = _LEAD.sub("", plain, count=1).removeprefix("my ").strip()
    for pattern in (_OWNER, _OWNED, _CALLED):
        found = pattern.match(bare)
        if found is not None:
            return found["name"].removeprefix("my ").strip()
    return re.sub(r"'s$", "", bare) if re.fullmatch(r"[^\W\d]+(?:'s)?", bare) else ""


def owner(heard: str) -> str:
    """A name as it is said back: "zebediah's" -> "Zebediah"."""
    return re.sub(r"'s?$", "", heard.replace("\u2019", "'")).title()


class Names:
    """All that a user's contacts may be called, by sound."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._called: dict[str, list[Contact]] = {}
        self.spelled = Spelled(contacts)
        for contact in contacts:
            for name in set(_variants(contact)):
                self._called.setdefault(name, []).append(contact)

    def asked_for(self, slot: str, text: str) -> list[Contact]:
        """Whom a question means, by the slot, by the place of the name in the text, or by any word that is a name."""
        for heard in filter(None, (slot, name_in(text))):
            if found := self.match(heard):
                return found
        words = [word for word in re.findall(r"[^\W\d_']+(?:'s)?", text.lower()) if word not in _NO_NAMES]
        windows = [" ".join(words[at : at + size]) for size in (2, 1) for at in range(len(words) - size + 1)]
        return next((found for heard in windows if (found := self.match(heard, _CLEARLY))), [])

    def match(self, heard: str, farthest: float = _FARTHEST) -> list[Contact]:
        """The contacts that sound most like what was heard: one, several that are equally likely, or none."""
        asked = [pair for pair in _heard_as(heard) if pair[0]]
        same = [name for one, ending in asked for name in (one, one.removesuffix(ending)) if name in self._called]
        if same:
            return self._all(same)
        near: dict[str, float] = {}
        for name in self._called:
            score = min((distance(one, name + ending, farthest) for one, ending in asked), default=1.0)
            if score <= farthest:
                near[name] = score
        best = min(near.values(), default=1.0)
        return self._all([name for name, score in near.items() if score <= best + _TIE])

    def _all(self, names: Sequence[str]) -> list[Contact]:
        return list({contact.uid: contact for name in names for contact in self._called[name]}.values())


def _heard_as(heard: str) -> Iterator[tuple[str, str]]:
    """(sounds, ending): a possessive may have been taken for a part of the name, or for a word of its own."""
    plain = heard.lower().replace("\u2019", "'").strip()
    yield sounds(plain), ""
    yield _voiced(sounds(plain)), "Z"
    bare = re.sub(r"(?:'s|'|\s+is|\s+his|s)$", "", plain)
    if bare != plain and bare:
        yield sounds(bare), ""
    if (long := _SHORT_NAMES.get(bare) or _SHORT_NAMES.get(plain)) is not None:
        yield sounds(long), ""


def _variants(contact: Contact) -> Iterator[str]:
    """The sounds of all that the contact may be called."""
    names = {contact.name, contact.given, contact.family, f"{contact.given} {contact.family}", *contact.nicknames}
    for name in filter(None, (n.strip() for n in names)):
        yield sounds(name)
        if (long := _SHORT_NAMES.get(name.lower())) is not None:
            yield sounds(long)


def _voiced(text: str) -> str:
    """A possessive's "s" sounds as "z"."""
    return f"{text[:-1]}Z" if text.endswith("S") else text
