"""How alike two names sound, of people or of lists. A recogniser writes a name that it does not know as words that it
knows.

Spelling becomes a rough string of sounds (a letter each; ours, in the manner of Metaphone, but with vowels), and two of
these are compared by an edit distance in which sounds that are easily taken for each other cost little.
"""

import re
import unicodedata
from functools import lru_cache

_LETTERS = {
    **{"a": "E", "b": "BI", "c": "SI", "d": "DI", "e": "I", "f": "EF", "g": "JI", "h": "EC", "i": "AI", "j": "JE"},
    **{"k": "KE", "l": "EL", "m": "EM", "n": "EN", "o": "O", "p": "PI", "q": "KU", "r": "AR", "s": "ES", "t": "TI"},
    **{"u": "U", "v": "VI", "w": "U", "x": "EKS", "y": "WAI", "z": "ZI"},
}
# Tried in this order at each place of a word; X is the sound of "sh", C of "ch", 0 of "th".
_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^(?:kn|gn|pn)", "N"),
        (r"^wr", "R"),
        (r"^x", "Z"),
        (r"sch|sh|(?<=.)sci", "X"),
        (r"ch(?=[lr]|ae)|kh", "K"),
        (r"tch|ch", "C"),
        (r"ph", "F"),
        (r"th", "0"),
        (r"ck|cc(?![eiy])", "K"),
        (r"^gh", "G"),
        (r"gh", ""),
        (r"wh", "W"),
        (r"qu?", "K"),
        (r"x", "KS"),
        (r"dge|j", "J"),
        (r"g(?=[eiy])", "J"),
        (r"c(?=[eiy])", "S"),
        (r"c", "K"),
        (r"ee|ea|ie|ei|ey$|y$|i", "I"),
        (r"oo|ou|ue|u", "U"),
        (r"ai|ay|ey|ae", "E"),
        (r"au|aw|ow|oa|o", "O"),
        (r"(?<=[^aeiouy])e$", ""),
        (r"e", "E"),
        (r"a", "A"),
        (r"^y", "Y"),
        (r"y", "I"),
        (r"(?<=[aeiou])h(?![aeiou])", ""),
        (r"[bdfghklmnprstvwz]", "="),
        (r".", ""),
    )
)
_VOWELS = "AEIOU"
_VOWEL_COST = {"AE": 0.3, "EI": 0.3, "AO": 0.3, "OU": 0.3, "AI": 0.5, "AU": 0.5, "EO": 0.6, "EU": 0.6, "IU": 0.6}
_ALIKE = {frozenset(pair) for pair in ("PB", "TD", "KG", "FV", "SZ", "XJ", "CJ", "CX", "MN", "T0", "F0", "S0", "SX")}
_ALIKE |= {frozenset(pair) for pair in ("VW", "YI", "D0", "ZX")}
_CHEAPEST_SKIP = 0.3


@lru_cache(maxsize=8192)
def sounds(text: str) -> str:
    """ "Anna" -> "ANA"; a letter that stands alone is spelled: "n is" -> "ENIS"."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("'", "").replace("\u0142", "l"))
    words = re.findall(r"[^\W\d_]+", "".join(c for c in plain if not unicodedata.combining(c)))
    return _single("".join(_word(word) for word in words))


def distance(one: str, other: str, limit: float = 1.0) -> float:
    """0: they sound the same; 1: nothing in common, or farther apart than `limit`. Of strings that `sounds` gave."""
    longest = max(len(one), len(other))
    most = limit * longest
    if not longest or abs(len(one) - len(other)) * _CHEAPEST_SKIP > most:
        return 1.0
    above = [0.0]
    for at in range(len(other)):
        above.append(above[-1] + _skip(other, at))
    for n, sound in enumerate(one):
        row = [above[0] + _skip(one, n)]
        for m, against in enumerate(other):
            ends = n == len(one) - 1 and m == len(other) - 1
            same = above[m] + _swap(sound, against, ends)
            row.append(min(same, above[m + 1] + _skip(one, n), row[m] + _skip(other, m)))
        above = row
        if min(above) > most:
            return 1.0
    return above[-1] / longest if above[-1] <= most else 1.0


def _word(word: str) -> str:
    if len(word) == 1:
        return _LETTERS.get(word, "")
    made, at = "", 0
    while at < len(word):
        for pattern, sound in _RULES:
            found = pattern.match(word, at)
            if found is not None and found.end() > at:
                made += found[0].upper() if sound == "=" else sound
                at = found.end()
                break
        else:
            at += 1
    return made


def _single(text: str) -> str:
    return re.sub(r"(.)\1+", r"\1", text)


def _skip(text: str, at: int) -> float:
    """What a sound costs that only one of the two has."""
    sound = text[at]
    if sound == "H" or (sound in _VOWELS and at == len(text) - 1):
        return 0.3
    if sound in _VOWELS:
        return 0.6
    return 0.5 if sound in "DT" and at and text[at - 1] in "NSL" else 1.0


def _swap(sound: str, against: str, at_end: bool) -> float:
    if sound == against:
        return 0.0
    if sound in _VOWELS and against in _VOWELS:
        return 0.3 if at_end else _VOWEL_COST.get("".join(sorted(sound + against)), 0.7)
    return 0.4 if frozenset((sound, against)) in _ALIKE else 1.0
