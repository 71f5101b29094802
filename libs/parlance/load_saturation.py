"""Where a run asked for more than it got: the moment from which ends no longer keep up with what is offered."""

from collections.abc import Sequence
from typing import Any

from parlance.load_job import Row

# A slice, and so many of them in a row: a second in which a few turns took longer is no saturation.
_SLICE_S, _IN_A_ROW = 1.0, 3
_KEEPS_UP = 0.9


def saturation(rows: Sequence[Row]) -> dict[str, Any] | None:
    """{"at_s", "offered_per_s", "achieved_per_s"}: what was offered when it began, and the most that was served in a
    second from then on, both over three seconds. None where ends kept up to the last question."""
    offered, ended = _counts([row.due for row in rows]), _counts([_end(row) for row in rows])
    last = max(offered, default=-1)
    behind, in_a_row = 0, 0
    for second in range(last + 1):
        due, got = offered.get(second, 0), ended.get(second, 0)
        behind += due - got
        in_a_row = in_a_row + 1 if got < _KEEPS_UP * due and behind > due else 0
        if in_a_row == _IN_A_ROW:
            first = second - _IN_A_ROW + 1
            return {
                "at_s": first * _SLICE_S,
                "offered_per_s": _mean(offered, first),
                "achieved_per_s": max(_mean(ended, n) for n in range(first, last + 1)),
            }
    return None


def open_turns(rows: Sequence[Row], width: float) -> list[tuple[float, float]]:
    """(second, turns that were due and had not ended)."""
    changes: dict[int, int] = {}
    for row in rows:
        began = int(row.due / 1000 / width)
        changes[began] = changes.get(began, 0) + 1
        if (at := row.ended) is not None:
            changes[int(at / 1000 / width)] = changes.get(int(at / 1000 / width), 0) - 1
    points, now = [], 0
    for n in range(max(changes, default=-1) + 1):
        now += changes.get(n, 0)
        points.append((n * width, float(now)))
    return points


def _end(row: Row) -> float | None:
    """What was refused did not keep up either."""
    return None if row.outcome in ("refused", "error", "lost") else row.ended


def _counts(times_ms: Sequence[float | None]) -> dict[int, int]:
    found: dict[int, int] = {}
    for at in times_ms:
        if at is not None:
            found[int(at / 1000 / _SLICE_S)] = found.get(int(at / 1000 / _SLICE_S), 0) + 1
    return found


def _mean(counts: dict[int, int], first: int) -> float:
    return round(sum(counts.get(n, 0) for n in range(first, first + _IN_A_ROW)) / _IN_A_ROW / _SLICE_S, 2)
