"""The time zone of the machine."""

import time
from pathlib import Path

from parlance import clock


def of_system(tz: str = "") -> str:
    """Its IANA time zone; UTC where it does not say. `tz`: what the variable TZ holds."""
    link = Path("/etc/localtime")
    name = tz.lstrip(":")
    if not name and link.is_symlink() and "zoneinfo/" in (target := str(link.resolve())):
        name = target.split("zoneinfo/", 1)[1]
    if name and clock.known_time_zone(name):
        return name
    return "UTC" if time.timezone == 0 else f"Etc/GMT{time.timezone // 3600:+d}"
