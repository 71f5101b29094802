"""How busy this machine is, a sample a second. Where the system does not tell (/proc), there are no samples."""

import asyncio
import os
import time
from pathlib import Path
from typing import TypedDict

_STAT = Path("/proc/stat")
_EVERY_S = 1.0


class Sample(TypedDict):
    """`at_s`: after the start. `busy`: share of all CPUs, 0 to 1. `load`: the one-minute load average."""

    at_s: float
    busy: float
    load: float


async def watch(start: float, samples: list[Sample]) -> None:
    """Until cancelled; `start` is a moment of time.monotonic()."""
    before = _times()
    while before is not None:
        await asyncio.sleep(_EVERY_S)
        now = _times()
        if now is None:
            return
        busy, total = now[0] - before[0], now[1] - before[1]
        share = round(busy / total, 3) if total else 0.0
        samples.append(Sample(at_s=round(time.monotonic() - start, 1), busy=share, load=os.getloadavg()[0]))
        before = now


def _times() -> tuple[int, int] | None:
    """(busy, all) of all CPUs so far, in ticks."""
    try:
        ticks = [int(t) for t in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
