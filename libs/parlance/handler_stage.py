"""A stage without state: a handler is an async generator, one event in, the events that it causes out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from parlance import clock
from parlance.bus import Bus
from parlance.errors import DeadlineExceeded, ParlanceError
from parlance.outgoing import follow, record_of
from parlance.privacy import Sealing
from parlance.stage import Stage
from parlance.stage_work import Item, Work
from parlance.v1.turn_pb2 import StageFailed

Handler = Callable[[Any], AsyncGenerator[Message, None]]


def stateless(  # noqa: PLR0913 - all that a stage without state is
    name: str,
    bus: Bus,
    sealing: Sealing,
    handler: Handler,
    out: type[Message],
    kinds: Iterable[str] | None = None,
) -> Stage:
    """A stage that publishes what `handler(event)` yields, wrapped in events of class `out`. `kinds`: the payloads that
    it has work for; None: all.

    When it fails for good its turn is told by a StageFailed on the same topic."""

    def publish(item: Item, body: Message, n: int) -> None:
        bus.append([record_of(follow(out, item.event.header, body, n), sealing.seal, item.arrived_us)])

    async def process(item: Item) -> None:
        left = (item.event.header.deadline_us - clock.now_us()) / 1e6 if item.event.header.deadline_us else 60.0
        if left <= 0:  # dialogue has ended the turn, unless this is the first that it hears of it
            await failed(item, DeadlineExceeded("the turn's deadline was over"))
            return
        await _within(left, _produce(item))

    async def _produce(item: Item) -> None:
        async with aclosing(handler(item.event)) as bodies:
            n = 0
            async for body in bodies:
                publish(item, body, n)
                n += 1

    async def failed(item: Item, error: ParlanceError) -> None:
        publish(item, StageFailed(stage=name, error=error.to_proto()), 0)

    only = None if kinds is None else frozenset(kinds)
    return Stage(name, bus, sealing, Work(process, failed, kinds=only))


async def _within(seconds: float, work: Any) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError as exc:
        raise DeadlineExceeded("the stage did not finish before the turn's deadline") from exc
