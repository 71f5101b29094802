"""The highest speed at which an objective is met: "p95 first audio <= 800 ms"."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from parlance.errors import InvalidRequest
from parlance.load_job import Row
from parlance.load_result import Result
from parlance.v1.replay_pb2 import ReplayTurn

# A trial sends for so long, and so many turns at least, where the file has them.
TRIAL_US = 10_000_000
_LEAST = 100
SPEED_MAX = 100.0
# After the speed that was too high: halvings of what lies between.
_HALVINGS = 4
_SAID = re.compile(r"p(\d{1,2}(?:\.\d+)?) (accepted|first audio|first word|end) ?<= ?(\d+(?:\.\d+)?) ?(ms|s)")
_FIELDS = {"accepted": "accepted", "first audio": "first", "first word": "first", "end": "ended"}


@dataclass(frozen=True, slots=True)
class Objective:
    """At least `share` of the turns have `field` within `limit_ms` of their intended moment. Where devices are mute,
    the first clause is the first audio."""

    share: float
    field: str
    limit_ms: float

    @staticmethod
    def of(said: str) -> "Objective":
        found = _SAID.fullmatch(" ".join(said.lower().split()))
        if found is None:
            raise InvalidRequest(
                f"'{said}' is no objective: write p95 first audio <= 800 ms (accepted, first audio, first word, end)"
            )
        percent, what, limit, unit = found.groups()
        return Objective(float(percent) / 100, _FIELDS[what], float(limit) * (1000 if unit == "s" else 1))

    def missed(self, rows: Sequence[Row]) -> int:
        """How many turns came too late, failed, or never ended. What its talker cut short counts where it came."""
        return sum(not self._in_time(row) for row in rows)

    def _in_time(self, row: Row) -> bool:
        at = getattr(row, self.field)
        if at is None:
            return row.outcome == "cancelled" and row.ended is not None and row.ended - row.due <= self.limit_ms
        return row.outcome not in ("failed", "lost", "error") and bool(at - row.due <= self.limit_ms)

    def allows(self, turns: int) -> int:
        """How many of so many turns may miss it."""
        return int(turns * (1 - self.share) + 1e-9)


@dataclass(frozen=True, slots=True)
class Trial:
    """`turns` were meant to be sent at `rate` a second; `missed` of those that were sent missed the objective."""

    speed: float
    rate: float
    turns: int
    missed: int
    met: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "speed": self.speed,
            "rate_per_s": self.rate,
            "turns": self.turns,
            "missed": self.missed,
            "met": self.met,
        }


# Runs these turns at this speed, each time in a run of its own; may end where the callback says that it is enough.
Attempt = Callable[[float, Sequence[ReplayTurn], Callable[[Result], bool]], Awaitable[Result]]


async def search(objective: Objective, turns: Sequence[ReplayTurn], attempt: Attempt) -> list[Trial]:
    """The trials in order; the highest speed of one that met the objective is what was looked for. Doubles the speed
    until it is too high, then halves what is between."""
    made: list[Trial] = []

    async def meets(speed: float) -> bool:
        made.append(await _try(objective, turns, speed, attempt))
        return made[-1].met

    good, speed = 0.0, 1.0
    while await meets(speed):
        good = speed
        if speed >= SPEED_MAX:
            return made
        speed = min(2 * speed, SPEED_MAX)
    for _ in range(_HALVINGS if good else 0):
        middle = round(sqrt(good * speed), 2)
        good, speed = (middle, speed) if await meets(middle) else (good, middle)
    return made


def best(trials: Sequence[Trial]) -> Trial | None:
    return max((t for t in trials if t.met), key=lambda t: t.speed, default=None)


async def _try(objective: Objective, turns: Sequence[ReplayTurn], speed: float, attempt: Attempt) -> Trial:
    sent = _share(turns, speed)
    may_miss = objective.allows(len(sent))
    result = await attempt(speed, sent, lambda now: objective.missed(now.rows) > may_miss)
    missed = objective.missed(result.rows)
    seconds = (sent[-1].at_us - sent[0].at_us) / 1e6 / speed
    rate = round((len(sent) - 1) / seconds, 2) if seconds else 0.0
    return Trial(speed, rate, len(sent), missed, missed <= may_miss and len(result.rows) == len(sent))


def _share(turns: Sequence[ReplayTurn], speed: float) -> Sequence[ReplayTurn]:
    until_us = turns[0].at_us + TRIAL_US * speed
    count = sum(turn.at_us <= until_us for turn in turns)
    return turns[: max(count, _LEAST)]
