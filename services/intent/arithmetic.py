"""Spoken arithmetic to a normal form: "what is seven times twelve" -> "7*12", "30 percent of 150" -> "30% of 150".

Nothing is computed here. A text with any other word in it is no arithmetic: "seven days a week" gives None.
"""

import re

from services.intent.numbers import to_digits

_LEAD = re.compile(
    r"^(?:(?:what(?:'?s| is| are| was| does| do you get if you| would| will| do)?|how (?:much|many)(?: is"
    r"| are| would| does)?|tell me"
    r"|know|find|get|calculate|compute|evaluate|solve|work out|figure out|do the math on|the answer (?:to|of|for)"
    r"|the (?:result|value) of|the|is|it|if|you|i|we|and|say|me|a|an)[ ,]+)*"
)
_TAIL = re.compile(r"(?:[ ,]*(?:=|\b(?:equals?(?: to)?|make|makes|be|is|are|give|please|get|in total|altogether)\b))+$")
_NUMBER = r"(-?\d[\d./]*)"
_REWRITTEN = tuple(
    (re.compile(pattern), made)
    for pattern, made in (
        (rf"^add(?: up)? {_NUMBER} (?:and|to|with|plus) {_NUMBER}$", r"\1+\2"),
        (rf"^(?:subtract|take(?: away)?|deduct) {_NUMBER}(?: away)? from {_NUMBER}$", r"\2-\1"),
        (rf"^multiply {_NUMBER} (?:by|and|with|times) {_NUMBER}$", r"\1*\2"),
        (rf"^divide {_NUMBER} (?:by|into) {_NUMBER}$", r"\1/\2"),
        (rf"^(?:sum|total) of {_NUMBER} and {_NUMBER}$", r"\1+\2"),
        (rf"^difference (?:between|of) {_NUMBER} and {_NUMBER}$", r"\1-\2"),
        (rf"^product of {_NUMBER} and {_NUMBER}$", r"\1*\2"),
        (rf"^{_NUMBER} ?(?:%|percent) off(?: of)? {_NUMBER}$", r"\2-\1% of \2"),
        (rf"^{_NUMBER} ?(?:%|percent) tip (?:on|for|of) {_NUMBER}$", r"\1% of \2"),
        (rf"^(?:half|1/2) of {_NUMBER}$", r"\1/2"),
        (rf"^(?:a )?quarter of {_NUMBER}$", r"\1/4"),
        (rf"^(?:a )?third of {_NUMBER}$", r"\1/3"),
        (rf"^(?:double|twice) {_NUMBER}$", r"2*\1"),
        (rf"^triple {_NUMBER}$", r"3*\1"),
    )
)
# Longer phrases first: an alternative is tried from left to right.
_SIGNS = {
    **{"multiplied by": "*", "multiply by": "*", "times by": "*", "times": "*", "time": "*", "x": "*", "\u00d7": "*"},
    **{"divided by": "/", "divide by": "/", "over": "/", "\u00f7": "/", "plus": "+", "added to": "+", "minus": "-"},
    **{"less": "-", "take away": "-", "to the power of": "^", "raised to": "^", "squared": "^2", "cubed": "^3"},
    **{"\u2212": "-", "%": "%", "percent": "%", "per cent": "%", "negative": "-", "the": "", "and": "+"},
    **{"square root of": "square root of ", "cube root of": "cube root of ", "of": " of ", "modulo": " mod "},
    **{sign: sign for sign in "+-*/^()"},
}
_TOKEN = re.compile("|".join([r"\d+(?:\.\d+)?(?:/\d+)?", *map(re.escape, sorted(_SIGNS, key=len, reverse=True))]))
_WHOLE = re.compile(
    r"(?:-|\(|square root of |cube root of )*\d(?:%| of |\^[23]|[-+*/^() ]|mod|square root of |cube root of |[\d./])*"
)
_OPERATOR = re.compile(r"(?<=[\d%) ])(?:[-+*/^]| of | mod )|root of |\^")


def expression(text: str) -> str | None:
    """The arithmetic that the whole of a text is, in digits and signs; None where it is none."""
    bare = _TAIL.sub("", _LEAD.sub("", to_digits(text).strip(" .,?!"))).strip(" .,?!")
    for pattern, made in _REWRITTEN:
        if (found := pattern.match(bare)) is not None:
            return found.expand(made)
    signs = _signs(bare)
    whole = signs is not None and _WHOLE.fullmatch(signs) and _OPERATOR.search(signs) and signs[-1] not in "+-*/^("
    return signs if whole else None


def _signs(text: str) -> str | None:
    made: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " ,$":
            at += 1
            continue
        found = _TOKEN.match(text, at)
        if found is None or _inside_word(text, found):
            return None
        made.append(_SIGNS.get(found[0], found[0]))
        at = found.end()
    return "".join(made).strip()


def _inside_word(text: str, found: "re.Match[str]") -> bool:
    """Whether a word goes on beyond what was read: "over" of "overview"."""
    after = text[found.end() : found.end() + 1]
    return after.isalpha() and found[0][-1].isalpha()
