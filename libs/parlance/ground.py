"""What every service stands on: the bus, its rows, keys, the routes in force."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from parlance import clock
from parlance.bus import Bus, Record
from parlance.config import Config
from parlance.events import TOPICS, parse, topic_of
from parlance.log import logger
from parlance.outgoing import record_of
from parlance.privacy import KeyDestroyed, Sealing
from parlance.routes import Routes
from parlance.store import Store

# The longest that an answer is asked for again after a restart.
_RECALL_S = 150


@dataclass(slots=True)
class Ground:
    """`rows`: None in a service that keeps none."""

    config: Config
    bus: Bus
    rows: Store | None
    sealing: Sealing
    routes: Routes

    @property
    def store(self) -> Store:
        assert self.rows is not None, "this service was started without a store"
        return self.rows

    def tell(self, event: Any) -> None:
        """A fact that a turn waits for."""
        self.bus.append([record_of(event, self.sealing.seal)])

    def publish(self, event: Any) -> None:
        """A fact that nobody waits for."""
        self.bus.append([record_of(event, self.sealing.seal)], lazy=True)

    def written(self, event: Any) -> "asyncio.Future[Record]":
        """A fact that must be durable before another process writes what follows from it."""
        return self.bus.publish(record_of(event, self.sealing.seal))

    async def recent(self, cls: type[Message]) -> AsyncGenerator[Any, None]:
        """The events of a class, opened, as far back as an answer may still be asked for again. What cannot be read is
        skipped: nobody could ask for it, and it must not keep the service from starting."""
        topic = topic_of(cls).name
        for partition in range(TOPICS[topic].partitions):
            start = await self.bus.offset_at(topic, partition, clock.now_us() - _RECALL_S * 1_000_000)
            while records := await self.bus.read(topic, partition, start):
                for record in records:
                    event = self._read(record)
                    if event is not None:
                        yield event
                start = records[-1].offset + 1

    def _read(self, record: Record) -> Any:
        """The event, opened; None where there is none to be read."""
        try:
            return self.sealing.open(parse(record.topic, record.value))
        except KeyDestroyed:
            return None
        except Exception as exc:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            logger.warning("%s could not be read and is skipped (%s)", place, type(exc).__name__)
            return None
