"""The relayed bus of a test: on a database of its own, with a journal in Kafka's place where no broker is needed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from parlance.bus import Out, Record
from parlance.bus_journal import JournalBus
from parlance.errors import Unavailable
from parlance.events import TopicInfo


class JournalAsKafka(JournalBus):
    """What a relayed bus asks of Kafka. `away`: as many events as these are taken, and acknowledged once it is back."""

    def __init__(self, path: Path, **form: Any) -> None:
        super().__init__(path, **form)
        self.flush_first: Any = None
        self.away = False
        self.room = 1_000_000
        self._kept: list[tuple[Out, asyncio.Future[Record]]] = []

    def check(self, outbox: Sequence[Out]) -> None:
        self._durable(outbox)

    def relay(self, out: Out) -> "asyncio.Future[Record]":
        return self.publish(out)

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        if not self.away:
            return super().publish(out)
        if len(self._kept) >= self.room:
            raise Unavailable("full")
        future: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._kept.append((out, future))
        return future

    def back(self) -> None:
        self.away = False
        kept, self._kept = self._kept, []
        for out, future in kept:
            super().publish(out).add_done_callback(lambda done, future=future: future.set_result(done.result()))


@asynccontextmanager
async def relayed(url: str, log: Any, topics: Sequence[TopicInfo], service: str = "") -> AsyncIterator[Any]:
    from parlance import postgres_address
    from parlance.bus_relayed import RelayedBus
    from parlance.postgres_database import Database

    bus = RelayedBus(Database(postgres_address.parse(url)), log, service)
    bus.declare(topics)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()
