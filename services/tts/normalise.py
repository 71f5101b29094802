"""Makes a clause speakable: what is written one way and said another."""

import re

_SYMBOLS = (
    ("°C", " degrees Celsius"),
    ("°F", " degrees Fahrenheit"),
    ("°", " degrees"),
    ("%", " percent"),
    ("&", " and "),
)
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?!\d|:)")
_PHONE = re.compile(r"(?<![\w.])\+?\d[\d ()/-]{6,}\d(?![\w.])")
_MARKUP = re.compile(r"[*_`#]+")


def speakable(text: str) -> str:
    """The text as a voice should read it."""
    text = _MARKUP.sub("", text)
    text = _PHONE.sub(lambda m: _digits(m.group()), text)
    text = _CLOCK.sub(_clock, text)
    for symbol, words in _SYMBOLS:
        text = text.replace(symbol, words)
    return re.sub(r"\s+", " ", text).strip()


def _clock(found: "re.Match[str]") -> str:
    hour, minute = int(found.group(1)), int(found.group(2))
    if not minute:
        return f"{hour} o'clock" if found.string[found.end() :].strip()[:1].upper() not in ("A", "P") else str(hour)
    return f"{hour} oh {minute}" if minute < 10 else f"{hour} {minute}"


def _digits(found: str) -> str:
    """A phone number, digit by digit, with the pauses that it is written with."""
    groups = re.split(r"[ ()/-]+", found.replace("+", "plus "))
    return ", ".join(" ".join(g) if g.isdigit() else g for g in groups if g)
