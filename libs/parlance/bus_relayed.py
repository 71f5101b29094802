"""Rows in PostgreSQL, events on Kafka: an outbox table beside the rows, and one order per key in memory.

Appends go straight to Kafka, saves to the database, and each waits for what stands before it of the same key alone
(`relay_lines`). The events of a save are committed with its row, and handed to Kafka then (`relay_outbox`).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from parlance.bus import Bus, Deliver, Out, Record, Subscription
from parlance.errors import ParlanceError, Unavailable
from parlance.events import TopicInfo
from parlance.kafka_address import RETRY_S, STOP_S
from parlance.metrics import Queued
from parlance.postgres_address import HELD_LIMIT
from parlance.postgres_database import Database
from parlance.relay_counts import Counts, settle
from parlance.relay_lines import Entry, Lines
from parlance.relay_outbox import SWEEP_S, Outbox

Send = Callable[[Out], "asyncio.Future[Record]"]


class Log(Bus, Protocol):
    """KafkaBus, as far as this one needs it."""

    flush_first: Any

    def check(self, outbox: Sequence[Out]) -> None: ...

    def relay(self, out: Out) -> "asyncio.Future[Record]": ...


class RelayedBus:
    """`service`: whose topics this process writes; "" where all services are in it. Both the database and `log` are
    started and stopped with this bus."""

    def __init__(self, database: Database, log: Log, service: str = "") -> None:
        self.database = database
        self._log = log
        log.flush_first = self.flush
        self._service = service
        self._topics: dict[str, TopicInfo] = {}
        self.lines = Lines()
        self.counts = Counts()
        self._stalled: set[bytes] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._refused = ""
        self._running = False
        self._sweeping: asyncio.Task[None] | None = None
        self.outbox: Outbox
        self._loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        """Raises Unavailable where database or broker cannot be used, or a topic is not as declared."""
        self._loop = asyncio.get_running_loop()
        await self.database.start()
        try:
            await self._log.start()
        except BaseException:
            await self.database.stop()
            raise
        self.outbox = Outbox(self.database, self.lines, self._log.relay)
        self._running = True
        self._own_topics()
        self._sweeping = self._loop.create_task(self._sweep())

    async def stop(self) -> None:
        """What Kafka has not taken within ten seconds stays in the outbox."""
        if not self._running:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self.flush()
        self._running = False
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        if self._retry is not None:
            self._retry.cancel()
        self.outbox.stop()
        try:
            await self._log.stop()
        finally:
            await self.database.stop()

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        self._log.declare(topics)
        self._topics |= {info.name: info for info in topics}
        if self._running:
            self._own_topics()

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        """Lazy makes no difference here: what comes together travels together."""
        self._log.check(outbox)
        for out in outbox:
            self._append(out, self._log.relay, None)

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        self._log.check((out,))
        future: asyncio.Future[Record] = self._loop.create_future()
        self._append(out, self._log.publish, future)
        return future

    def subscribe(
        self,
        group: str | None,
        topics: Sequence[str],
        deliver: Deliver,
        *,
        partitions: Sequence[int] | None = None,
        from_us: int | None = None,
    ) -> Subscription:
        return self._log.subscribe(group, topics, deliver, partitions=partitions, from_us=from_us)

    async def read(self, topic: str, partition: int, start: int, limit: int = 1000) -> list[Record]:
        return await self._log.read(topic, partition, start, limit)

    async def offset_at(self, topic: str, partition: int, ts_us: int) -> int:
        return await self._log.offset_at(topic, partition, ts_us)

    async def end(self, topic: str, partition: int) -> int:
        return await self._log.end(topic, partition)

    async def flush(self) -> None:
        """Returns when all that was appended or saved so far is on Kafka."""
        await self.counts.passed()
        await self.outbox.flush()

    @property
    def failed(self) -> str:
        found = self.database.failed or self._log.failed or self._refused
        return found or (self.outbox.refused if self._running else "")

    def unsent(self) -> int:
        """Events on their way; what waits in the database is not counted."""
        return self._log.unsent() if isinstance(self._log, Queued) else 0

    def lags(self) -> Mapping[str, int]:
        return self._log.lags() if isinstance(self._log, Queued) else {}

    def check(self, outbox: Sequence[Out]) -> None:
        """Raises ValueError for topics that were not declared."""
        if not self._running:
            raise Unavailable("PostgreSQL and Kafka are not connected: start the bus first")
        for out in outbox:
            info = self._topics.get(out.topic)
            if info is None or not 0 <= out.partition < info.partitions:
                raise ValueError(f"no partition {out.partition} of a declared topic {out.topic}")

    def durable(self, outbox: Sequence[Out]) -> bool:
        return any(self._topics[out.topic].durable for out in outbox)

    def retry_later(self, keys: Iterable[bytes]) -> None:
        """What stands first in line there cannot begin now."""
        self._stalled.update(keys)
        if self._retry is None and self._running:
            self._retry = self._loop.call_later(RETRY_S, self._advance)

    def _advance(self) -> None:
        self._retry = None
        keys, self._stalled = self._stalled, set()
        self.lines.advance(keys)

    def _append(self, out: Out, send: Send, future: "asyncio.Future[Record] | None") -> None:
        if self.lines.open(out.key):
            self._fly(out, send(out), future, self.counts.began())
            return
        if self.lines.waiting >= HELD_LIMIT:
            raise Unavailable(self.failed or f"{HELD_LIMIT} saves and events wait already")
        number = self.counts.began()

        def begin() -> bool:
            try:
                sent = send(out)
            except Unavailable:
                self.retry_later((out.key,))
                return False
            self._fly(out, sent, future, number)
            return True

        self.lines.put(Entry((out.key,), begin, save=False))

    def _fly(
        self, out: Out, sent: "asyncio.Future[Record]", future: "asyncio.Future[Record] | None", number: int
    ) -> None:
        self.lines.flew(out.key)

        def landed(sent: "asyncio.Future[Record]") -> None:
            if not self._running or sent.cancelled():
                return
            if future is not None:
                settle(future, sent.exception() or sent.result())
            elif (exc := sent.exception()) is not None:
                self._refused = f"an event for {out.topic} is not on Kafka: {exc}"
                self._loop.call_exception_handler({"message": "an append failed", "exception": exc})
            self.lines.landed(out.key)
            self.counts.ended(number)

        sent.add_done_callback(landed)

    def _own_topics(self) -> None:
        own = (info for info in self._topics.values() if self._service in ("", info.producer))
        self.outbox.topics = [info.name for info in own]

    async def _sweep(self) -> None:
        """What processes that are gone have left in the outbox."""
        while True:
            await asyncio.sleep(SWEEP_S)
            if not self._log.failed:
                with contextlib.suppress(ParlanceError):
                    await self.outbox.sweep()
