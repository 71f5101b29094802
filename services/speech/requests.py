"""How likely words are as a spoken request: a trigram model of public requests (requests_build.py makes it).

A recogniser's beam ends with several readings that sound almost alike ("a timer at 14 seconds", "a timer for 10
seconds"); what people say to assistants tells them apart. Smoothing: Witten and Bell, "The zero-frequency problem"
(1991), each order falling back to the shorter one.
"""

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from parlance.errors import Internal

FILE = Path(__file__).parent / "model" / "requests.npz"
ORDERS = (1, 2, 3)
UNKNOWN, START, END, NUMBER = "<unknown>", "<start>", "<end>", "<number>"

Keys = NDArray[np.int64]
Counts = NDArray[np.int32]

# How many words there may be that the model has never seen.
_UNSEEN = 20_000
# What the prior counts against the recogniser's own probability, and how much less likely (mean log-probability per
# token) a reading may be than the best one to be chosen at all.
# (Anything from 0.15 to 0.4 understands as much, within chance: the least that does, for it is not all requests.)
WEIGHT, MARGIN = 0.2, 0.3
# What is worded less like a request than this (mean log-probability per word) is dictation, and left as it was heard.
# (Without it, of five sentences of a novel more words are wrong: 10.3 % instead of 8.0.)
LEAST = -6.0
_WORD = re.compile(r"\d[\d.,:]*|'s\b|[^\W\d_]+(?:'(?!s\b)[^\W\d_]+)?")
_COUNTED = re.compile(
    r"\d.*|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One of the things that an utterance may have been. `score`: mean log-probability of its `tokens`."""

    text: str
    score: float
    tokens: int


class Requests:
    """`counts`: for each order, the n-grams as sorted keys (see `key`) and how often each was said."""

    def __init__(self, vocabulary: Sequence[str], counts: Sequence[tuple[Keys, Counts]]) -> None:
        self._ids = {word: n for n, word in enumerate(vocabulary)}
        self._orders = [(keys, np.concatenate([[0], counted.cumsum()])) for keys, counted in counts]

    def likelihood(self, text: str) -> float:
        """The logarithm of the probability that a request is worded like this, its end included."""
        said = [self._ids.get(word, self._ids[UNKNOWN]) for word in tokens(text)]
        return sum(math.log(self._probability(said[at - 2 : at + 1])) for at in range(2, len(said)))

    def choose(self, readings: Sequence[Reading]) -> Reading:
        """The likeliest of `readings` (best first) as a request; the first one, which has words, where none is one."""
        near = [one for one in readings if one.text and one.score >= readings[0].score - MARGIN]
        likelihoods = [self.likelihood(one.text) for one in near]
        totals = [one.score * one.tokens + WEIGHT * each for one, each in zip(near, likelihoods, strict=True)]
        best = totals.index(max(totals))
        return near[best] if likelihoods[best] >= LEAST * _steps(near[best].text) else readings[0]

    def _probability(self, gram: Sequence[int]) -> float:
        size = len(self._ids)
        found = 1 / (size + _UNSEEN)
        for order, (keys, until) in zip(ORDERS, self._orders, strict=True):
            wanted = key(gram[-order:], size)
            context = wanted - gram[-1]
            first, end = keys.searchsorted((context, context + size))
            kinds, total = int(end - first), int(until[end] - until[first])
            if not total:
                break
            at = int(keys[first:end].searchsorted(wanted)) + first
            times = int(until[at + 1] - until[at]) if at < end and keys[at] == wanted else 0
            found = (times + kinds * found) / (total + kinds)
        return found


def tokens(text: str) -> list[str]:
    """Lower-case words between two starts and an end; a possessive apart, numbers all the same."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    same = [NUMBER if _COUNTED.fullmatch(word) else word for word in words]
    return [START, START, *(w for n, w in enumerate(same) if w != NUMBER or same[n - 1 : n] != [NUMBER]), END]


def _steps(text: str) -> int:
    """Words, and the end after them."""
    return len(tokens(text)) - 2


def key(gram: Sequence[int], size: int) -> int:
    """A number for word ids below `size`: n-grams that differ in the last word alone are neighbours."""
    found = 0
    for word in gram:
        found = found * size + word
    return found


def load(file: Path = FILE) -> Requests:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
            vocabulary = bytes(kept["vocabulary"]).decode().split("\n")
            counts = [(kept[f"keys{n}"].cumsum(), kept[f"counts{n}"]) for n in ORDERS]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as exc:
        raise Internal(f"the model {file.name} of requests is damaged: run 'make train'") from exc
    return Requests(vocabulary, counts)
