"""Objectives, and the search for the highest speed that meets one."""

from collections.abc import Callable, Sequence

import pytest

from parlance.errors import InvalidRequest
from parlance.load_job import Row
from parlance.load_objective import Objective, best, search
from parlance.load_result import Result
from parlance.v1.replay_pb2 import ReplayTurn

TEN_A_SECOND = [ReplayTurn(at_us=n * 100_000, session="s", text="hello") for n in range(20_000)]
P95 = Objective(0.95, "first", 800.0)


def _row(n: int, ms: float | None, outcome: str = "answered") -> Row:
    at = None if ms is None else 1000.0 + ms
    return Row(n, 1000.0, 1000.0, 1000.0, 1000.0, at, at or 1001.0, outcome, "")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("p95 first audio <= 800 ms", P95),
        ("P95  first word<=0.8 s", P95),
        ("p99.9 end <= 2s", Objective(0.999, "ended", 2000.0)),
        ("p50 accepted <= 20ms", Objective(0.5, "accepted", 20.0)),
    ],
)
def test_an_objective_is_read_as_it_is_said(said: str, meant: Objective) -> None:
    found = Objective.of(said)
    assert (found.field, found.limit_ms) == (meant.field, meant.limit_ms)
    assert found.share == pytest.approx(meant.share)


@pytest.mark.parametrize("said", ["", "p95", "fast", "p95 first audio < 800 ms", "p950 end <= 1 s", "p95 end <= 800"])
def test_what_is_no_objective_is_told(said: str) -> None:
    with pytest.raises(InvalidRequest, match="write p95 first audio <= 800 ms"):
        Objective.of(said)


def test_a_turn_meets_it_in_time_and_in_no_other_way() -> None:
    rows = [_row(0, 800.0), _row(1, None, "cancelled")]
    assert P95.missed(rows) == 0
    late = [
        _row(0, 800.1),
        _row(1, 5.0, "failed"),
        _row(2, None, "lost"),
        _row(3, None, "error"),
        _row(4, 900.0, "cancelled"),
    ]
    assert P95.missed(late) == len(late)
    assert (P95.allows(100), P95.allows(19), P95.allows(20)) == (5, 0, 1)


class _Platform:
    """Answers in 10 ms up to `knee` turns a second, in a second above it."""

    def __init__(self, knee: float) -> None:
        self.knee = knee
        self.speeds: list[float] = []

    async def attempt(self, speed: float, turns: Sequence[ReplayTurn], enough: Callable[[Result], bool]) -> Result:
        self.speeds.append(speed)
        result = Result({"turns": len(turns)})
        for n in range(len(turns)):
            result.rows.append(_row(n, 10.0 if 10.0 * speed <= self.knee else 1000.0))
            if enough(result):
                break
        return result


async def test_the_search_ends_close_below_what_the_platform_can_take() -> None:
    platform = _Platform(knee=330.0)
    trials = await search(P95, TEN_A_SECOND, platform.attempt)
    found = best(trials)
    assert found is not None and 300.0 <= found.rate <= 330.0 and found.turns == 1 + int(100 * found.speed)
    assert platform.speeds[:7] == [1, 2, 4, 8, 16, 32, 64] and len(platform.speeds) == 11
    too_fast = trials[6]
    assert not too_fast.met and too_fast.missed == P95.allows(too_fast.turns) + 1, "it ends when it has shown enough"


async def test_a_platform_that_takes_all_of_it_or_none_is_told_so() -> None:
    assert best(await search(P95, TEN_A_SECOND, _Platform(knee=5.0).attempt)) is None
    found = best(await search(P95, TEN_A_SECOND, _Platform(knee=1e9).attempt))
    assert found is not None and found.speed == 100.0


async def test_a_trial_that_ended_early_has_not_met_it() -> None:
    async def attempt(speed: float, turns: Sequence[ReplayTurn], enough: Callable[[Result], bool]) -> Result:
        return Result({"turns": len(turns)}, [_row(n, 10.0) for n in range(len(turns) - 1)])

    assert best(await search(P95, TEN_A_SECOND, attempt)) is None
