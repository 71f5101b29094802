"""Whether the door takes a turn that comes now, judged by how long those before it have to wait for their first word.

The wait is measured, not assumed: by Little's law it is the number of turns without a first word, divided by how many
get theirs in a second. It counts whatever makes turns wait: a busy loop, a slow model, a bus that takes nothing more.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, but for `few`: so few unanswered turns are no queue, however long they take.

    A turn is refused where the wait is longer than `usual` times the usual one and `least_s` more (at most `most_s`,
    for a turn has 30 s); one that begins a conversation already at `new` of that."""

    few: int = 8
    usual: float = 3.0
    least_s: float = 0.8
    most_s: float = 12.0
    new: float = 0.6
    # What was refused is taken again once the wait is below this share of the limit.
    again: float = 0.75
    # What is usual where nothing is known yet.
    unknown_s: float = 0.4


_SLOT_S = 0.1
# Answers are counted over the last second, or as far back as there are enough to count.
_WINDOW_S, _WINDOW_MAX_S, _ENOUGH = 1.0, 10.0, 20
_JUDGED_S = 0.02
_CALM_KEPT = 30
# A turn ends within 30 s of its question; what is not told by then will not be.
_FORGOTTEN_S = 35.0


class Admission:
    """Knows the turns of one gateway that have no first word yet. All methods are called on the event loop."""

    def __init__(self, limits: Limits = Limits(), now: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._now = limits, now
        self._open: OrderedDict[str, float] = OrderedDict()
        self._answers: deque[list[float]] = deque()
        self._calm: deque[float] = deque(maxlen=_CALM_KEPT)
        self._sum_s, self._count = 0.0, 0
        self._busy_since = self._judged_at = self._noted_at = now()
        self._wait_s = 0.0
        # Turns that begin a conversation, and all turns.
        self._closed = {True: False, False: False}

    @property
    def waits_s(self) -> float:
        """How long a turn that comes now would wait; 0 where nothing is in its way."""
        return self._wait_s

    def takes(self, *, new: bool) -> bool:
        """`new`: the turn begins a conversation; those that go on go before."""
        now = self._now()
        if now - self._judged_at >= _JUDGED_S:
            self._judge(now)
        return not self._closed[new]

    def accepted(self, turn_id: str) -> None:
        now = self._now()
        if len(self._open) < self._limits.few:
            self._busy_since = now
        self._open[turn_id] = now

    def answered(self, turn_id: str) -> None:
        """Its first word (spoken, where its device is not mute), or its end; what comes after that changes nothing."""
        began = self._open.pop(turn_id, None)
        if began is None:
            return
        now = self._now()
        if not self._answers or now - self._answers[-1][0] >= _SLOT_S:
            self._answers.append([now, 0])
        self._answers[-1][1] += 1
        self._sum_s, self._count = self._sum_s + now - began, self._count + 1

    def _judge(self, now: float) -> None:
        self._judged_at = now
        self._forget(now)
        self._note_usual(now)
        self._wait_s = self._waits(now)
        limit = self._limit()
        for new, share in ((True, self._limits.new), (False, 1.0)):
            over = share * limit * (self._limits.again if self._closed[new] else 1.0)
            self._closed[new] = self._wait_s > over and (self._closed[new] or self._queued_s(now) > over / 4)

    def _limit(self) -> float:
        usual = min(self._calm, default=self._limits.unknown_s)
        return min(self._limits.usual * usual + self._limits.least_s, self._limits.most_s)

    def _waits(self, now: float) -> float:
        if len(self._open) < self._limits.few:
            return 0.0
        answers, since = 0.0, now
        for at, count in reversed(self._answers):
            if at < self._busy_since or (now - at > _WINDOW_S and answers >= _ENOUGH):
                break
            answers, since = answers + count, at
        span = max(now - since, min(_WINDOW_S, now - self._busy_since), _SLOT_S)
        return len(self._open) * span / max(answers, 1.0)

    def _queued_s(self, now: float) -> float:
        """Half of the turns without a first word have waited longer: the age of the oldest alone would let one that
        hangs shut the door. Not before half of them are that old is there a queue, and not only a crowd."""
        middle = next(islice(self._open.values(), len(self._open) // 2, None), now)
        return now - middle

    def _note_usual(self, now: float) -> None:
        """How long a first word takes while nobody is refused."""
        if now - self._noted_at < _WINDOW_S or self._count < _ENOUGH:
            return
        if not any(self._closed.values()):
            self._calm.append(self._sum_s / self._count)
        self._noted_at, self._sum_s, self._count = now, 0.0, 0

    def _forget(self, now: float) -> None:
        while self._answers and now - self._answers[0][0] > _WINDOW_MAX_S:
            self._answers.popleft()
        while self._open and now - next(iter(self._open.values())) > _FORGOTTEN_S:
            self._open.popitem(last=False)
