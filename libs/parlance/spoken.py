"""Numbers and lengths of time as they are spoken, in both directions (English).

A recogniser may write "ten seconds" or "10 seconds", "twenty-five" or "25": both are read here, exactly (Fraction).
"""

import re
from collections.abc import Sequence
from fractions import Fraction

_SMALL = {
    word: n
    for n, word in enumerate(
        [
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
            *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        ]
    )
}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_FRESH = ("and", *_SCALES)
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5}
_PARTS |= {"sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10}
_DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+")
_TOKEN = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|[^\W\d_]+(?:'[^\W\d_]+)?|[^\w\s]", re.UNICODE)
_SECONDS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "hr": 3600, "h": 3600}
_SECONDS |= {"day": 86400, "week": 604800}

Words = Sequence[str]
Taken = tuple[Fraction, int]


def words_of(text: str) -> list[str]:
    """Lower-case words, numbers and signs: "Twenty-five, please" -> ["twenty", "five", ",", "please"]."""
    plain = text.lower().replace("\u2019", "'").replace("\u2212", "-")
    return _TOKEN.findall(re.sub(r"(?<=[^\W\d])-(?=[^\W\d])", " ", plain))


def take_number(words: Words, at: int) -> Taken | None:
    """The number that begins at `at`, and where it ends: "two and a half" -> (5/2, 4). None where none begins."""
    whole = _take_whole(words, at)
    if whole is None:
        return _take_part(words, at)
    value, end = whole
    if (part := _parts_after(words, end)) is not None and value.denominator == 1:
        return value / part, end + 1
    if words[end : end + 1] == ["and"] and (more := _take_part(words, end + 1)) is not None and more[0] < 1:
        return value + more[0], more[1]
    return value, end


def number_in(text: str) -> Fraction | None:
    """The first number in a text."""
    words = words_of(text)
    found = (take_number(words, at) for at in range(len(words)))
    return next((taken[0] for taken in found if taken is not None), None)


def duration_in(text: str) -> Fraction | None:
    """Seconds of the lengths in a text, added: "an hour and a half" -> 5400. None where there is none."""
    words = words_of(text)
    total, at, found = Fraction(0), 0, False
    while at < len(words):
        taken = _take_length(words, at)
        if taken is None:
            at += 1
            continue
        total, at, found = total + taken[0], taken[1], True
    return total if found else None


def say_duration(seconds: int) -> str:
    """ "1 hour, 5 minutes and 10 seconds"."""
    parts = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}" + ("s" if count > 1 else ""))
    return join(parts) or "0 seconds"


def join(items: Sequence[str], word: str = "and") -> str:
    """ "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def capital(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def _take_whole(words: Words, at: int) -> Taken | None:
    if at >= len(words):
        return None
    if _DIGITS.fullmatch(words[at]):
        value, end = Fraction(words[at].replace(",", "")), at + 1
        while end < len(words) and (words[end] in _SCALES or words[end] == "hundred"):
            value, end = value * _SCALES.get(words[end], 100), end + 1
        return value, end
    total, end = _take_words(words, at)
    if end == at:
        return None
    if words[end : end + 1] == ["point"]:
        decimals, after = _take_decimals(words, end + 1)
        if decimals:
            return total + Fraction(int(decimals), 10 ** len(decimals)), after
    return Fraction(total), end


def _take_words(words: Words, at: int) -> tuple[int, int]:
    """Adds up number words: (value, end); end == at where there is none."""
    total, current, end = 0, 0, at
    if words[end] in ("a", "an") and words[end + 1 : end + 2] and words[end + 1] in ("hundred", *_SCALES):
        current, end = 1, end + 1
    while end < len(words):
        word = words[end]
        if word == "and" and end > at and words[end - 1] in ("hundred", *_SCALES) and _is_small(words, end + 1):
            end += 1
        elif word in _SCALES and current:
            total, current, end = total + current * _SCALES[word], 0, end + 1
        elif (grown := _grow(word, current, fresh=end == at or words[end - 1] in _FRESH)) is not None:
            current, end = grown, end + 1
        else:
            break
    return total + current, end


def _grow(word: str, current: int, *, fresh: bool) -> int | None:
    """`current` with one more number word below a thousand; None where the word does not go on with it."""
    if word == "hundred" and 0 < current < 100:
        return current * 100
    if word in _TENS and current % 100 == 0 and (fresh or current):
        return current + _TENS[word]
    if word not in _SMALL:
        return None
    value = _SMALL[word]
    if fresh or (current and current % 100 == 0):
        return current + value
    return current + value if current % 10 == 0 and current % 100 >= 20 and 0 < value < 10 else None


def _is_small(words: Words, at: int) -> bool:
    return at < len(words) and (words[at] in _SMALL or words[at] in _TENS)


def _take_decimals(words: Words, at: int) -> tuple[str, int]:
    digits = ""
    while at < len(words):
        if _SMALL.get(words[at], 10) < 10:
            digits += str(_SMALL[words[at]])
        elif words[at].isdecimal():
            digits += words[at]
        else:
            break
        at += 1
    return digits, at


def _parts_after(words: Words, at: int) -> int | None:
    """3 for "thirds" in "two thirds"; "second" is no part here: it is a length of time."""
    return _PARTS.get(words[at]) if at < len(words) else None


def _take_part(words: Words, at: int) -> Taken | None:
    """ "a half", "half", "a quarter", "three quarters"."""
    if at < len(words) and words[at] in ("a", "an"):
        at += 1
    if (part := _parts_after(words, at)) is not None:
        return Fraction(1, part), at + 1
    whole = _take_whole(words, at)
    if whole is not None and (part := _parts_after(words, whole[1])) is not None:
        return whole[0] / part, whole[1] + 1
    return None


def _take_length(words: Words, at: int) -> Taken | None:
    taken = take_number(words, at)
    if taken is None and words[at] in ("a", "an", "another"):
        taken = Fraction(1), at + 1
    if taken is None:
        return None
    count, end = taken
    while end < len(words) and words[end] in ("a", "an", "of", "more"):
        end += 1
    if end >= len(words) or (size := _SECONDS.get(words[end], _SECONDS.get(words[end].rstrip("s")))) is None:
        return None
    end += 1
    if words[end : end + 1] == ["and"] and (more := _take_part(words, end + 1)) is not None:
        return (count + more[0]) * size, more[1]
    return count * size, end
