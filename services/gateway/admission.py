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
    least_s: float = 2.0
    most_s: float = 12.0
    new: float = 0.6
    # What was refused is taken again once the wait is below this share of the limit.
    again: float = 0.75
    # What is usual where nothing is known yet.
    unknown_s: float = 0.4


_SLOT_S = 0.1
# Answers are counted over so much time in which there was a queue, none of it longer ago than the second.
_BUSY_S, _AGO_S = 2.0, 15.0
# With less of it nothing is known yet.
_KNOWN_S = 0.5
_JUDGED_S = 0.02
_NOTED_S, _ENOUGH, _CALM_KEPT = 1.0, 20, 30
# A turn ends within 30 s of its question; what is not told by then will not be.
_FORGOTTEN_S = 35.0


@dataclass(slots=True)
class _Slot:
    """A tenth of a second: how much of it there was a queue, and how many turns got their first word then."""

    at: float
    busy_s: float = 0.0
    answers: int = 0


class Admission:
    """Knows the turns of one gateway that have no first word yet. All methods are called on the event loop."""

    def __init__(self, limits: Limits = Limits(), now: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._now = limits, now
        # Since when, and whether there was no queue then.
        self._open: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._slots: deque[_Slot] = deque([_Slot(now())])
        self._calm: deque[float] = deque(maxlen=_CALM_KEPT)
        self._sum_s, self._count = 0.0, 0
        self._seen_at = self._judged_at = self._noted_at = now()
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
        self._slot(now)
        self._open[turn_id] = now, len(self._open) < self._limits.few

    def answered(self, turn_id: str) -> None:
        """Its first word (spoken, where its device is not mute), or its end; what comes after that changes nothing."""
        if turn_id not in self._open:
            return
        now = self._now()
        slot = self._slot(now)
        if len(self._open) >= self._limits.few:
            slot.answers += 1
        since, calm = self._open.pop(turn_id)
        if calm:
            self._sum_s, self._count = self._sum_s + now - since, self._count + 1

    def _slot(self, now: float) -> _Slot:
        """The one of now, after what has passed since the last look is noted."""
        slot = self._slots[-1]
        if len(self._open) >= self._limits.few:
            slot.busy_s += now - self._seen_at
        self._seen_at = now
        if now - slot.at >= _SLOT_S:
            slot = _Slot(now)
            self._slots.append(slot)
            while now - self._slots[0].at > _AGO_S:
                self._slots.popleft()
        return slot

    def _judge(self, now: float) -> None:
        self._judged_at = now
        self._slot(now)
        self._forget(now)
        self._wait_s = self._waits(now)
        self._note_usual(now)
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
        answers, busy_s = 0, 0.0
        for slot in reversed(self._slots):
            answers, busy_s = answers + slot.answers, busy_s + slot.busy_s
            if busy_s >= _BUSY_S:
                break
        if busy_s < _KNOWN_S:
            return self._queued_s(now)
        return len(self._open) * busy_s / max(answers, 1)

    def _queued_s(self, now: float) -> float:
        """Half of the turns without a first word have waited longer: the age of the oldest alone would let one that
        hangs shut the door. Not before half of them are that old is there a queue, and not only a crowd."""
        since, _ = next(islice(self._open.values(), len(self._open) // 2, None), (now, True))
        return now - since

    def _note_usual(self, now: float) -> None:
        """How long a first word takes where no queue stood before it. One that stands for minutes, as long as it may,
        would in the end count as usual itself."""
        if now - self._noted_at >= _NOTED_S and self._count >= _ENOUGH:
            self._calm.append(self._sum_s / self._count)
            self._noted_at, self._sum_s, self._count = now, 0.0, 0

    def _forget(self, now: float) -> None:
        while self._open and now - next(iter(self._open.values()))[0] > _FORGOTTEN_S:
            self._open.popitem(last=False)
