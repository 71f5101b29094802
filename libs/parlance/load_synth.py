"""Synthetic traffic for those who have none: who asks what and when, all of it from a seed."""

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log

from parlance.errors import InvalidRequest
from parlance.load_languages import LANGUAGES, at_length, question_in
from parlance.load_questions import WEIGHTS, question
from parlance.v1.replay_pb2 import ReplayTurn
from parlance.v1.turn_pb2 import Modality

TURNS_MAX = 1_000_000
SHAPES = ("flat", "day")
# How much is asked in each hour of a day, from midnight on, beside an average hour.
_DAY = (
    *(0.15, 0.08, 0.05, 0.05, 0.1, 0.3, 0.9, 1.7, 1.6, 1.1, 0.9, 0.9),
    *(1.2, 1.1, 0.9, 0.9, 1.1, 1.5, 2.0, 2.1, 1.9, 1.6, 1.1, 0.5),
)
# Talkers differ: the n-th asks 1/n^_SKEW as much as the first (Zipf).
_SKEW = 1.1
ARRIVALS = ("poisson", "even", "bursts")
# So many come together, on average.
_BURST = 20
_INTERRUPTS_US = (50_000, 1_500_000)
# When its talkers believe to ask: from Monday, 5 January 2026, 00:00 UTC on.
_BEGINS_US = 1_767_571_200_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`rate`: turns a second, on average. `shape`: "flat", or "day": the file is one day made short. `interruptions`:
    the share of turns that their talker interrupts. `talkers`: sessions."""

    turns: int
    seed: int
    rate: float = 5.0
    talkers: int = 50
    shape: str = "flat"
    interruptions: float = 0.05
    # "poisson", "even", or "bursts": some come together, and then nobody for a while.
    arrivals: str = "poisson"
    # The share of open questions that come with a long introduction.
    long: float = 0.0
    # With their shares: "en:0.8,de:0.2".
    languages: str = "en"

    @property
    def origin(self) -> str:
        told = (
            f"synth --turns {self.turns} --seed {self.seed} --rate {self.rate:g} --talkers {self.talkers} "
            f"--shape {self.shape} --interruptions {self.interruptions:g}"
        )
        more = {"arrivals": "poisson", "long": 0.0, "languages": "en"}
        return told + "".join(f" --{name} {getattr(self, name)}" for name in more if getattr(self, name) != more[name])


def synth(wanted: Wanted) -> list[ReplayTurn]:
    """The same wish gives the same turns, on every machine. Raises InvalidRequest for one that makes no sense."""
    _check(wanted)
    chance = random.Random(wanted.seed)
    talkers = list(accumulate(1 / n**_SKEW for n in range(1, wanted.talkers + 1)))
    ask = _Asking(wanted, chance)
    made = []
    for at_us in _arrivals(wanted, chance):
        talker = bisect(talkers, chance.random() * talkers[-1])
        name, text = f"talker-{talker + 1:04d}", ask.question(talker)
        turn = ReplayTurn(at_us=at_us, session=name, text=text, modality=Modality.MODALITY_TYPED)
        turn.as_of_us, turn.person = _BEGINS_US + at_us, name
        if chance.random() < wanted.interruptions:
            first, last = _INTERRUPTS_US
            turn.interrupt_after_us = first + int(chance.random() * (last - first))
        made.append(turn)
    return made


class _Asking:
    """What a talker says. Each has one language; what is not used takes nothing of the chance, so that a seed gives
    what it always gave."""

    def __init__(self, wanted: Wanted, chance: random.Random) -> None:
        self._long, self._chance = wanted.long, chance
        self._intents, self._weights = list(WEIGHTS), list(accumulate(WEIGHTS.values()))
        self._shares = _shares(wanted.languages)
        self._spoken: dict[int, str] = {}

    def question(self, talker: int) -> str:
        language = self._language(talker)
        intent = self._intents[bisect(self._weights, self._chance.random() * self._weights[-1])]
        if language != "en":
            return question_in(language, intent, self._pick)
        text = question(intent, self._pick)
        if intent == "chat" and self._long and self._chance.random() < self._long:
            return at_length(text, self._pick)
        return text

    def _language(self, talker: int) -> str:
        if len(self._shares) == 1:
            return next(iter(self._shares))
        if talker not in self._spoken:
            sums = list(accumulate(self._shares.values()))
            self._spoken[talker] = list(self._shares)[bisect(sums, self._chance.random() * sums[-1])]
        return self._spoken[talker]

    def _pick(self, known: Sequence[str]) -> str:
        return known[int(self._chance.random() * len(known))]


def _shares(told: str) -> dict[str, float]:
    """Raises InvalidRequest where they make no sense."""
    found: dict[str, float] = {}
    for part in told.split(","):
        name, _, share = part.strip().partition(":")
        try:
            found[name] = float(share or 1)
        except ValueError:
            found[name] = -1.0
    if not set(found) <= {"en", *LANGUAGES} or not all(0 < share <= 1000 for share in found.values()):
        raise InvalidRequest(f"languages are {', '.join(['en', *LANGUAGES])}, with shares: en:0.8,de:0.2; not '{told}'")
    return found


def _gaps(wanted: Wanted, chance: random.Random) -> Iterator[float]:
    """Between one question and the next, of an average rate of one."""
    for _ in range(wanted.turns):
        if wanted.arrivals == "even":
            yield 1.0
        elif wanted.arrivals == "bursts" and chance.random() >= 1 / _BURST:
            yield 0.02 * -log(1.0 - chance.random())
        elif wanted.arrivals == "bursts":
            yield (_BURST - 0.02 * (_BURST - 1)) * -log(1.0 - chance.random())
        else:
            yield -log(1.0 - chance.random())


def _arrivals(wanted: Wanted, chance: random.Random) -> list[int]:
    """The moments of a process of rate one, put where the rate's integral reaches them."""
    moments = list(accumulate(_gaps(wanted, chance)))
    if wanted.shape == "day":
        moments = [_by_day(at, wanted.turns) for at in moments]
    return [int((at - moments[0]) / wanted.rate * 1e6) for at in moments]


def _by_day(at: float, turns: int) -> float:
    """The moment of a day of `turns` average seconds at which so much of the day's traffic has come."""
    hours = list(accumulate(_DAY))
    days, rest = divmod(at / turns, 1.0)
    wanted = rest * hours[-1]
    hour = min(bisect(hours, wanted), len(_DAY) - 1)
    within = (wanted - (hours[hour] - _DAY[hour])) / _DAY[hour]
    return (days + (hour + within) / len(_DAY)) * turns


def _check(wanted: Wanted) -> None:
    if not 1 <= wanted.turns <= TURNS_MAX:
        raise InvalidRequest(f"a file holds 1 to {TURNS_MAX} turns, not {wanted.turns}")
    if not 0.001 <= wanted.rate <= 10_000:
        raise InvalidRequest(f"a rate is 0.001 to 10000 turns a second, not {wanted.rate:g}")
    if not 1 <= wanted.talkers <= 900:
        raise InvalidRequest(f"a file has 1 to 900 talkers, not {wanted.talkers}: a gateway takes 1000 conversations")
    if wanted.shape not in SHAPES:
        raise InvalidRequest(f"a shape is {' or '.join(SHAPES)}, not '{wanted.shape}'")
    if wanted.arrivals not in ARRIVALS:
        raise InvalidRequest(f"arrivals are {', '.join(ARRIVALS)}, not '{wanted.arrivals}'")
    if not 0 <= wanted.long <= 1:
        raise InvalidRequest(f"the share of long questions is 0 to 1, not {wanted.long:g}")
    _shares(wanted.languages)
    if not 0 <= wanted.interruptions <= 1:
        raise InvalidRequest(f"the share of interruptions is 0 to 1, not {wanted.interruptions:g}")
