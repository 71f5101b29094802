"""One thing that waits in line for Kafka."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from parlance.bus import Out, Record
from parlance.errors import InvalidRequest
from parlance.kafka_address import EVENT_BYTES


@dataclass(slots=True, eq=False)
class Entry:
    """Something to do in call order: send `out`, or (without it) wait for the work in `gate`."""

    number: int
    at: float
    size: int = 0
    out: Out | None = None
    gate: Callable[[], Awaitable[None]] | None = None
    future: "asyncio.Future[Record] | None" = None
    # Who waits for it waits as long as it takes.
    patient: bool = False
    done: bool = False
    # It failed beside others: tried once more alone, so that only the bad one fails.
    suspect: bool = False


def size_of(out: Out) -> int:
    """Bytes. Raises InvalidRequest for an event over the limit."""
    size = len(out.key) + len(out.value) + sum(len(name) + len(value) + 8 for name, value in out.headers)
    if size > EVENT_BYTES:
        raise InvalidRequest(f"an event of {size} bytes for {out.topic} is over the limit of {EVENT_BYTES} bytes")
    return size
