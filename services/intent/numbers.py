"""A text with its numbers in digits: "two hundred and five" -> "205", "three point five" -> "3.5"."""

import re
from fractions import Fraction

from parlance.spoken import take_number

_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])|(?<=\d)-(?=[a-z])")
_WORD_OR_MARK = re.compile(r"[^\s,?!;]+|[,?!;]")
_SCALE = re.compile(r"(?:hundred|thousand|million|billion|trillion)$")
# Alone these are words of their own: "half past", "a third time".
_SHARES = frozenset(("a", "an", "half", "third", "quarter", "fifth", "sixth", "eighth", "tenth"))


def to_digits(text: str) -> str:
    """Lower case, one space between words and before commas; what is no number stays as it is."""
    words = _WORD_OR_MARK.findall(_HYPHEN.sub(" ", _GROUPED.sub("", text.lower())))
    made: list[str] = []
    at = 0
    while at < len(words):
        taken = (
            None
            if words[at] in _SHARES and not _SCALE.match(" ".join(words[at + 1 : at + 2]))
            else take_number(words, at)
        )
        if taken is None:
            made.append(words[at])
            at += 1
            continue
        value, end = taken
        made.append(words[at] if end == at + 1 and words[at][0].isdigit() else plain(value))
        at = end
    return " ".join(made)


def plain(value: Fraction) -> str:
    """The number without exponent: "600", "0.5"; "1/3" where no decimal of six places is exact."""
    if (value * 10**6).denominator > 1:
        return str(value)
    return f"{float(value):.6f}".rstrip("0").rstrip(".")
