"""Makes a clause speakable: what is written one way and said another. Voices differ in what they read well by
themselves, so all that is not plain words and numbers becomes words here."""

import re
import unicodedata
from collections.abc import Callable

from services.tts.symbols import CURRENCIES, FRACTIONS, MONTHS, SIGNS, UNITS, WORDS

_Rule = tuple["re.Pattern[str]", "str | Callable[[re.Match[str]], str]"]

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_MONEY = r"(\d+(?:,\d{3})*)(?:[.,](\d\d))?(?![\d.,]*\d)(?: ?(thousand|million|billion)\b)?"
_SIGN = "|".join(map(re.escape, CURRENCIES))
_CUE = re.compile(r"\b(number|phone|mobile|cell|call|dial|fax|reach|ring|code|pin)\b[^.?!]*$", re.I)
_WRITTEN_AS_PHONE = re.compile(r"[+0(]|(?:\d{3}[ .-])?\d{3}[ .-]\d{4}$")
_LONGEST_GROUP = 4


def speakable(text: str) -> str:
    """The text as a voice should read it: in words, without markup. "" where there is nothing to say."""
    if _PLAIN.fullmatch(text):
        text = _ABBREVIATION.sub(_word, text)
    else:
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        text = "".join(c for c in text if unicodedata.category(c) not in _UNSPEAKABLE)
    text = _BEFORE_A_STOP.sub(r"\1", " ".join(text.split()))
    return text if any(map(str.isalnum, text)) else ""


# Most clauses: of all the rules only that for abbreviations can find anything here.
_PLAIN = re.compile(r"[A-Za-z ,.;:?!']*")
_BEFORE_A_STOP = re.compile(r"\s+([.,;:?!])")


# Pictures, modifiers, invisible characters.
_UNSPEAKABLE = {"So", "Sk", "Cf", "Cs", "Co", "Cn"}


def _line_end(found: "re.Match[str]") -> str:
    """A new line ends a sentence."""
    before = found.string[: found.start()].rstrip()[-1:]
    return ". " if before.isalnum() else " "


def _address(found: "re.Match[str]") -> str:
    spoken = {".": " dot ", "/": " slash ", "@": " at ", ":": ", ", "-": " dash ", "_": " underscore "}
    return re.sub(r"[./@:_-]", lambda m: spoken[m.group()], found.group("rest").rstrip("/"))


def _date(found: "re.Match[str]") -> str:
    year, month, day = (int(g) for g in found.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return found.group()
    ending = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{MONTHS[month - 1]} {day}{ending}, {year}"


def _phone(found: "re.Match[str]") -> str:
    """Digit by digit, with the pauses that it is written with; anything else stays as it is."""
    written = found.group()
    digits = sum(c.isdigit() for c in written)
    cued = _CUE.search(found.string[: found.start()]) is not None
    if digits > 15 or digits < (5 if cued else 7) or not (cued or _WRITTEN_AS_PHONE.match(written)):
        return written
    groups = re.findall(r"\d+", written)
    if all(len(group) == 1 for group in groups):
        groups = ["".join(groups)]
    pauses = ", ".join(_spelled(part) for group in groups for part in _short(group))
    return ("plus " if written.startswith("+") else "") + pauses


def _short(group: str) -> list[str]:
    """Seven digits in a row are two breaths: 1234567 -> 123, 4567."""
    parts = []
    while len(group) > _LONGEST_GROUP:
        parts.append(group[:3])
        group = group[3:]
    return [*parts, group]


def _spelled(digits: str) -> str:
    return " ".join(_DIGITS[int(d)] for d in digits)


def _clock(found: "re.Match[str]") -> str:
    """ "14:05" -> "14 oh 5", "14:00" -> "14 hundred", "9:00" -> "9 o'clock", "9:00 pm" -> "9 PM"."""
    hour, minute, second, half = int(found[1]), int(found[2]), found[3], found[4]
    if hour > 24 or minute > 59:
        return found.group()
    name = "zero" if hour == 0 and not half else str(hour)
    if minute:
        name += f" oh {minute}" if minute < 10 else f" {minute}"
    elif not half:
        name = "midnight" if hour in (0, 24) else f"{hour} o'clock" if hour < 13 else f"{hour} hundred"
    if second:
        name += f" and {int(second)} second{'' if int(second) == 1 else 's'}"
    return f"{name} {half.upper()}M" if half else name


def _money(found: "re.Match[str]") -> str:
    before, whole, cents, scale, after = found.groups()
    if (before is None) == (after is None):
        return found.group()
    one, many, small_one, small_many = CURRENCIES[before or after]
    if scale:
        return f"{whole}{f'.{cents}' if cents else ''} {scale} {many}"
    said = f"{whole} {one if whole == '1' else many}"
    if cents and int(cents):
        said += f" and {int(cents)} {small_one if int(cents) == 1 else small_many}"
    return said


def _unit(found: "re.Match[str]") -> str:
    number, unit = found.groups()
    one, many = UNITS[unit]
    return f"{number} {one if number == '1' else many}"


def _fraction(found: "re.Match[str]") -> str:
    above, below = int(found[1]), int(found[2])
    if not 0 < above < below or below not in FRACTIONS:
        return found.group()
    one, many = FRACTIONS[below]
    return f"{'one' if above == 1 else above} {one if above == 1 else many}"


def _word(found: "re.Match[str]") -> str:
    return WORDS[found.group()]


def _sign(found: "re.Match[str]") -> str:
    return f" {SIGNS[found.group()]} "


def _rule(pattern: str, replacement: "str | Callable[[re.Match[str]], str]", flags: int = 0) -> _Rule:
    return re.compile(pattern, flags), replacement


def _any(names: dict[str, str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))

_ABBREVIATION = re.compile(rf"(?<![\w.])(?:{_any(WORDS)})(?!\w)")

# In this order: what is marked before what is bare, longer forms before shorter ones.
_RULES: tuple[_Rule, ...] = (
    _rule(r"\[([^\]]+)\]\([^)\s]*\)", r"\1"),
    _rule(r"^\s*(?:#{1,6}|[-*•>])\s+", "", re.M),
    _rule(r"(\*\*|__|~~|`{1,3}|\*|(?<!\w)_)(?=\S)(.+?)(?<=\S)\1(?![\w*])", r"\2"),
    _rule(r"`+", " "),
    _rule(r"\s*\n\s*", _line_end),
    _rule(r"https?://(?P<rest>[^\s,;]+?)(?=[.,;!?]?(?:\s|$))", _address),
    _rule(r"\b(?P<rest>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)", _address),
    (_ABBREVIATION, _word),
    _rule(r"\b(\d{4})-(\d\d)-(\d\d)\b", _date),
    _rule(r"(?<![\w.,:/-])\+?\(?\d[\d ()./-]{3,}\d(?![\w%°€$£]|[.,:]\d)", _phone),
    _rule(r"(?<=\d)\s?[-\u2013]\s?(?=\d{1,2}:\d\d)", " to "),
    _rule(r"\b(\d{1,2}):(\d\d)(?::(\d\d))?(?:\s?([AaPp])(?:[Mm]\b|\.[Mm]\.))?(?![\d:])", _clock),
    _rule(r"\b(\d{1,2})\s?([ap])(?:m\b|\.m\.)", lambda m: f"{m[1]} {m[2].upper()}M", re.I),
    _rule(rf"(?:({_SIGN})\s?)?{_MONEY}(?:\s?({_SIGN})(?!\w))?", _money),
    _rule(r"(?<![\w.,)])[-\u2212](?=\d)", "minus "),
    _rule(r"(?<![\w.-])(\d{1,4})\s?[-\u2013]\s?(\d{1,4})(?![\w.-])", r"\1 to \2"),
    _rule(rf"(?<![\w.])({_NUMBER})\s?({_UNIT})(?!\w)", _unit),
    _rule(r"(?<![\w/.])(\d{1,2})/(\d{1,2})(?![\w/.])", _fraction),
    _rule(r"(?<=[\d)])\s*[*·]\s*(?=[\d(])", " times "),
    _rule(r"#(?=\d)|\bNo\. ?(?=\d)", "number "),
    _rule(f"[{re.escape(''.join(SIGNS))}]", _sign),
    _rule(r"[*_~|\\<>{}]+", " "),
)
