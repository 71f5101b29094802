"""Synthetic traffic for those who have none: who asks what and when, all of it from a seed."""

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log

from parlance.errors import InvalidRequest
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
_INTERRUPTS_US = (50_000, 1_500_000)


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

    @property
    def origin(self) -> str:
        return (
            f"synth --turns {self.turns} --seed {self.seed} --rate {self.rate:g} --talkers {self.talkers} "
            f"--shape {self.shape} --interruptions {self.interruptions:g}"
        )


def synth(wanted: Wanted) -> list[ReplayTurn]:
    """The same wish gives the same turns, on every machine. Raises InvalidRequest for one that makes no sense."""
    _check(wanted)
    chance = random.Random(wanted.seed)
    talkers = list(accumulate(1 / n**_SKEW for n in range(1, wanted.talkers + 1)))
    intents, weights = list(WEIGHTS), list(accumulate(WEIGHTS.values()))

    def pick(known: Sequence[str]) -> str:
        return known[int(chance.random() * len(known))]

    made = []
    for at_us in _arrivals(wanted, chance):
        talker = bisect(talkers, chance.random() * talkers[-1])
        text = question(intents[bisect(weights, chance.random() * weights[-1])], pick)
        turn = ReplayTurn(at_us=at_us, session=f"talker-{talker + 1:04d}", text=text, modality=Modality.MODALITY_TYPED)
        if chance.random() < wanted.interruptions:
            first, last = _INTERRUPTS_US
            turn.interrupt_after_us = first + int(chance.random() * (last - first))
        made.append(turn)
    return made


def _arrivals(wanted: Wanted, chance: random.Random) -> list[int]:
    """A Poisson process: its unit-rate moments, put where the rate's integral reaches them."""
    moments = list(accumulate(-log(1.0 - chance.random()) for _ in range(wanted.turns)))
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
    if not 0 <= wanted.interruptions <= 1:
        raise InvalidRequest(f"the share of interruptions is 0 to 1, not {wanted.interruptions:g}")
