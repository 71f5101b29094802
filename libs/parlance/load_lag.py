"""How far the platform's stages are behind while a run goes on, a sample a second. Kafka alone can be asked that."""

import asyncio
import time
from typing import TypedDict

from parlance.errors import ParlanceError

_EVERY_S = 1.0


class Behind(TypedDict):
    """`at_s`: after the start. `records`: what each group has still to do."""

    at_s: float
    records: dict[str, int]


async def watch(bus: str, start: float, samples: list[Behind]) -> None:
    """Until cancelled; `start` is a moment of time.monotonic(). `bus`: PARLANCE_BUS; without one nothing is told."""
    if not bus:
        return
    from parlance.kafka_lag import Lag

    try:
        async with Lag(bus) as lag:
            while True:
                await asyncio.sleep(_EVERY_S)
                found = await lag.now()
                samples.append(Behind(at_s=round(time.monotonic() - start, 1), records=found))
    except ParlanceError:
        return  # the run goes on without it
