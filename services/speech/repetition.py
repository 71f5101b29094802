"""Whisper's well-known fault: it says the same words over and over. Pure."""

import re
from itertools import pairwise

# Fast speech is about four words a second.
_WORDS_PER_S = 5.0
_LONGEST_PHRASE = 8


def repeats(text: str, seconds: float) -> bool:
    """More words than anybody says in this time, a sentence said twice running, or a phrase again and again."""
    said = _words(text)
    if runs_away(text, seconds):
        return True
    sentences = [s for s in re.split(r"[.?!]+\s*", text.lower()) if s]
    if any(a == b and len(a.split()) > 1 for a, b in pairwise(sentences)):
        return True
    return any(_looping(said, at, size) for size in range(1, _LONGEST_PHRASE + 1) for at in range(len(said)))


def runs_away(text: str, seconds: float) -> bool:
    """More words than anybody says in this time. A loop within a word ("y-y-y-y") counts its parts."""
    return len(_words(text)) > 3 + _WORDS_PER_S * seconds


def _looping(said: list[str], at: int, size: int) -> bool:
    """A phrase of three or more words twice running; a shorter one four times."""
    times = 2 if size >= 3 else 4
    phrase = said[at : at + size]
    return len(phrase) == size and said[at : at + size * times] == phrase * times


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())
