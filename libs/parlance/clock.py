"""The one source of time. Wall time stamps facts, the loop's monotonic time runs deadlines.

A simulation replaces the wall by `use`; the loop's own time is virtual already where the loop is.
"""

import time
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_wall_ns: Callable[[], int] = time.time_ns
_ahead_us = 0


def now_us() -> int:
    """Wall time, microseconds since 1970 (UTC)."""
    return _wall_ns() // 1000 + _ahead_us


def correct(by_us: int) -> None:
    """Wall time is so much later than was thought (negative: earlier), on top of what was corrected before."""
    global _ahead_us
    _ahead_us += by_us


def use(wall: Callable[[], int] | None) -> None:
    """Take wall time from `wall` (microseconds); None: from the system again."""
    global _wall_ns, _ahead_us
    _ahead_us = 0
    _wall_ns = time.time_ns if wall is None else lambda: wall() * 1000


def known_time_zone(name: str) -> bool:
    """Whether `name` is an IANA time zone, such as "Europe/Madrid"."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
