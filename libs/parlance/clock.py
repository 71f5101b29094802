"""The one source of time. Wall time stamps facts, the loop's monotonic time runs deadlines.

A simulation replaces the wall by `use`; the loop's own time is virtual already where the loop is.
"""

import time
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def _system_us() -> int:
    return time.time_ns() // 1000


_wall: Callable[[], int] = _system_us


def now_us() -> int:
    """Wall time, microseconds since 1970 (UTC)."""
    return _wall()


def use(wall: Callable[[], int] | None) -> None:
    """Take wall time from `wall` (microseconds); None: from the system again."""
    global _wall
    _wall = wall or _system_us


def known_time_zone(name: str) -> bool:
    """Whether `name` is an IANA time zone, such as "Europe/Madrid"."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
