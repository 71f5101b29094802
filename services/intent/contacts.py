"""Whose number, address or birthday is asked for. The name is what was heard; who it is, context decides by sound."""

import re

_I = re.IGNORECASE
_KINDS = {
    "contacts.phone": r"(?:(?:tele|cell|mobile|film|home|work) ?)?(?:phone |mobile |cell |telephone )?"
    r"(?:numbers?|numbered|member|lumber|mumber|munder)|(?:tele)?phone|mobile|cell",
    "contacts.email": r"(?:e-?mail|e mail|mail|male)(?: address| recipe| id)?",
    "contacts.address": r"(?:(?:home|street|postal|mailing|work) )?(?:address|a dress|dress)|house|home",
    "contacts.birthday": r"birth ?days?|birth ?date|bird day|date of birth",
}
_QUESTION = re.compile(
    r"^(?:(?:(?:on )?(?:what|which) (?:day|date)|in which|what(?:'?s| is| was| are)?|where(?:'?s| is| does)?|which"
    r"|when(?:'?s| is| was| does| it's| this)?|how (?:can|do) i (?:call|reach)|tell me|give me|show me|read me"
    r"|find(?: me)?|get(?: me)?|look(?:ing)?(?: up| for)?|search for|i need|i'?m|i am|need|until|till|before"
    r"|how (?:long|soon|many days)(?: is it)?|have|know|is|does|do|the|a|my|for|you|this(?= \w+'s))\b,? ?)*",
    _I,
)
_OTHERWISE = {
    "contacts.phone": r"\b(?:call|reach|ring|dial|phone(?! ?num))(?: up)? (?P<name>.+?)(?: (?:by|on|at|over).*)?$",
    "contacts.email": r"\be-?mails?(?: address)? (?:does|do) (?P<name>.+?) (?:use|have)$"
    r"|\b(?:i|to|an) e-?mail (?:to )?(?P<other>.+)$",
    "contacts.address": r"\bwhere(?: is it that| does| do|'s| is| are)? (?P<name>.+?) a?liv(?:es?|ing)(?: now)?$"
    r"|\b(?:street|city|town|country) (?:does|do) (?P<other>.+?) live(?: on| in| at)?$",
    "contacts.birthday": r"\b(?:when|what day|which day) was (?P<name>.+?) born(?: on)?$"
    r"|\b(?:will|does|do) (?P<other>.+?) (?:have|celebrate) \w+ birthday$",
}
_HAS = re.compile(r"\b(?:does|do|has) (?P<name>.+?) (?:have|use|got)$", _I)
_CAPITAL = re.compile(r"(?<=\S )(?P<name>[A-Z][\w-]+(?: [A-Z][\w-]+)*)")
_OWNED = {
    k: re.compile(rf"^(?P<name>.+?)(?P<of>'s|s'| is|'| has| have)? (?:{what})\b", _I) for k, what in _KINDS.items()
}
_OWNER = {k: re.compile(rf"\b(?:{what}) (?:of|for|to) (?P<name>.+)$", _I) for k, what in _KINDS.items()}
_ASIDE = {k: re.compile(pattern, _I) for k, pattern in _OTHERWISE.items()}
_NOBODY = re.compile(
    r"^(?:(?:his|her|your|their|its?|this|that|my|our|the|a|an|you|me|i|there|he|she|they|what|some|own|all"
    r"|one|any)\b ?)*$",
    _I,
)
# "a good birthday cake", "the first phone number": words that stand before the noun, not names.
_NO_NAME = re.compile(
    r"\b(?:should|would|could|can|did|do|good|best|first|last|lucky|famous|emergency|atomic|an?|when|what|who"
    r"|how|number|whose|of)\b"
    r"|^the (?:president|queen|king|pope|moon|white house)|(?:\S+ ){4}",
    _I,
)
_TAIL = re.compile(r"(?:'s|s'| is| please|,.*| this year| again| soon| have| has)+$", _I)


def person(intent: str, text: str) -> dict[str, str]:
    """Slot name: "Anna", "N" of "N is number", "on his" of "what is on his number"; {} where nobody is named."""
    asked = _QUESTION.sub("", text)
    for pattern, subject in (
        (_ASIDE[intent], text),
        (_OWNER[intent], text),
        (_OWNED[intent], asked),
        (_HAS, text),
        (_CAPITAL, text),
    ):
        if (found := pattern.search(subject)) is None:
            continue
        groups = found.groupdict()
        said = _TAIL.sub("", groups.get("name") or groups.get("other") or "")
        name = re.sub(r"^(?:(?:my|the) )+", "", said, flags=_I).strip(" ,.")
        if name and not _NOBODY.match(name) and not _NO_NAME.search(said):
            return {"name": name}
    return {}
