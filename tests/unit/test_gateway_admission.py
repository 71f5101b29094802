"""Whether the door takes a turn: the measured wait decides, existing conversations go before, and it does not flap."""

from collections.abc import Iterator
from heapq import heappop, heappush

import pytest

from services.gateway.admission import Admission


class Place:
    """A platform that answers `rate` turns a second, one after the other; each needs `least_s` in any case."""

    def __init__(self, rate: float, least_s: float = 0.02) -> None:
        self.now = 0.0
        self.admission = Admission(now=lambda: self.now)
        self.refused: list[float] = []
        self.waited: list[float] = []
        self._each, self._least_s, self._free = 1 / rate, least_s, 0.0
        self._ends: list[tuple[float, str, float]] = []
        self._count = 0

    def come(self, rate: float, seconds: float, *, new: bool = False, most: int = 10**9) -> None:
        """`most`: so many people there are, and each waits for an answer before asking again."""
        for at in self._moments(rate, seconds):
            self._until(at)
            if len(self._ends) >= most:
                continue
            if not self.admission.takes(new=new):
                self.refused.append(at)
                continue
            self._count += 1
            self.admission.accepted(f"t{self._count}")
            self._free = max(self._free, at) + self._each
            heappush(self._ends, (max(self._free, at + self._least_s), f"t{self._count}", at))

    def _moments(self, rate: float, seconds: float) -> Iterator[float]:
        start = self.now
        return (start + n / rate for n in range(1, int(rate * seconds) + 1))

    def _until(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            self.now, turn_id, began = heappop(self._ends)
            self.admission.answered(turn_id)
            self.waited.append(self.now - began)
        self.now = at


def test_what_it_can_take_is_taken() -> None:
    place = Place(rate=100)
    place.come(95, 30)
    assert place.refused == [] and place.admission.waits_s < 0.5


def test_three_times_as_much_is_answered_as_fast_as_it_can_and_nobody_waits_long() -> None:
    place = Place(rate=100)
    place.come(50, 10)
    place.waited.clear()
    began = place.now
    place.come(300, 20)
    assert len(place.waited) / (place.now - began) >= 0.95 * 100, "what is left to do is always enough to be busy"
    assert max(place.waited) < 4.0
    assert place.refused[0] - began < 2.5 and len(place.refused) > 20 * 180


def test_a_queue_that_stands_for_minutes_does_not_become_what_is_usual() -> None:
    """It grows slowly, until three hundred people all wait; then no further, and it is a queue all the same."""
    place = Place(rate=36)
    for rate in (34, 36.5, 38, 70):
        place.come(rate, 60, most=300)
    place.waited.clear()
    place.come(70, 20, most=300)
    assert max(place.waited) < 4.0 and place.refused


def test_a_crowd_that_comes_at_once_is_no_overload() -> None:
    place = Place(rate=200)
    place.come(20, 5)
    place.come(2000, 0.05)
    assert place.refused == []


@pytest.mark.parametrize("hang", [1, 7])
def test_turns_that_hang_do_not_shut_the_door(hang: int) -> None:
    place = Place(rate=100)
    for n in range(hang):
        place.admission.accepted(f"hangs {n}")
    place.come(60, 30)
    assert place.refused == []


def test_a_slow_model_that_takes_many_at_once_is_not_overloaded() -> None:
    """Twenty answers a second, five seconds each: a hundred are open, and all of them are on time."""
    place = Place(rate=1000, least_s=5.0)
    place.come(1, 60)
    place.come(20, 60)
    assert place.refused == []


def test_where_nothing_is_answered_any_more_it_closes_and_opens_again() -> None:
    place = Place(rate=100)
    place.come(50, 5)
    place._each = 1000.0
    place.come(50, 5)
    assert place.refused and place.refused[-1] > place.now - 0.1
    for turn_id in list(place.admission._open):
        place.admission.answered(turn_id)
    place.now += 1
    assert place.admission.takes(new=True)


def test_conversations_that_go_on_go_before_new_ones() -> None:
    place, new = Place(rate=100), 0
    place.come(50, 5)
    for _ in range(400):
        place.come(130, 0.05)
        place.now += 0.001
        place.admission.takes(new=True)
        closed = place.admission._closed
        new += closed[True] and not closed[False]
        assert closed[True] or not closed[False], "what goes on is never refused while new ones are taken"
    assert new > 100


def test_it_does_not_flap() -> None:
    """Once closed it stays so until the wait is clearly shorter."""
    place, changes, before = Place(rate=100), 0, False
    place.come(50, 5)
    for _ in range(1000):
        place.come(300, 0.02)
        changes += place.admission._closed[False] != before
        before = place.admission._closed[False]
    assert 2 <= changes < 120, changes


def test_what_is_forgotten_does_not_count_for_ever() -> None:
    place = Place(rate=100)
    for n in range(50):
        place.admission.accepted(f"lost {n}")
    place.now += 40
    assert place.admission.takes(new=True) and not place.admission._open
