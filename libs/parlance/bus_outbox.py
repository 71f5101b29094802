"""Rows in SQLite, events on Kafka: a journal beside the rows is the outbox, and a relay brings it to Kafka.

A row and its events are one transaction, and in line with everything else that this process appends. The relay
publishes in that order; what it had not got acknowledged before a crash it publishes at the next start. So an event
may come twice, never not at all; its id tells.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from parlance.bus import Deliver, Out, Record, Subscription
from parlance.bus_journal import JournalBus
from parlance.bus_kafka import KafkaBus
from parlance.errors import InvalidRequest, ParlanceError, Unavailable
from parlance.events import TopicInfo
from parlance.kafka_address import RETRY_S, STOP_S
from parlance.offsets import Offsets

_GROUP = "relay"
# What has been relayed is of no more use; a little of it is kept to be looked at.
_KEPT_MS = 3_600_000
# Events on their way to Kafka: more of them stay on disk until these have arrived.
_MOST = 2_000

Place = tuple[str, int, int]
"""(topic, partition, offset in the outbox)"""


class OutboxBus:
    """`rows`: the journal that a SqliteStore uses. `log`: for services without rows, whose events need not be in line
    with any. Both are started and stopped with this one."""

    def __init__(self, path: Path, log: KafkaBus) -> None:
        self.rows = JournalBus(path)
        self.log = log
        log.flush_first = self.flush
        self._topics: dict[str, TopicInfo] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._todo: deque[Record] = deque()
        self._sent: dict[Place, asyncio.Future[Record]] = {}
        self._waiters: dict[Place, asyncio.Future[Record]] = {}
        self._offsets = Offsets()
        self._later: asyncio.TimerHandle | None = None
        self._paused = False
        self._running = False
        self._refused = ""
        self._loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        """Returns when what an earlier life left is on Kafka. Raises Unavailable where the file or the broker cannot
        be used, or a topic is not as declared."""
        self._loop = asyncio.get_running_loop()
        await self.rows.start()
        try:
            await self.log.start()
        except BaseException:
            await self.rows.stop()
            raise
        self._running = True
        self._watch()
        await self.flush()

    async def stop(self) -> None:
        """What Kafka has not taken within ten seconds is relayed at the next start."""
        if not self._running:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self.flush()
        self._running = False
        if self._later is not None:
            self._later.cancel()
        for subscription in self._subscriptions.values():
            await subscription.stop()
        with contextlib.suppress(Unavailable):  # what waits is in the file
            await self.log.stop()
        for future in [*self._sent.values(), *self._waiters.values()]:
            future.cancel()
        await self.rows.stop()

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        self.log.declare(topics)
        self._topics |= {info.name: info for info in topics}
        self.rows.declare([_local(info) for info in topics])
        if self._running:
            self._watch()

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        self.log.check(outbox)
        self.rows.append(outbox, lazy=lazy)

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        """Done when Kafka has acknowledged it."""
        self.log.check((out,))
        future: asyncio.Future[Record] = self._loop.create_future()
        self.rows.publish(out).add_done_callback(partial(self._noted, future))
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
        return self.log.subscribe(group, topics, deliver, partitions=partitions, from_us=from_us)

    async def read(self, topic: str, partition: int, start: int, limit: int = 1000) -> list[Record]:
        return await self.log.read(topic, partition, start, limit)

    async def offset_at(self, topic: str, partition: int, ts_us: int) -> int:
        return await self.log.offset_at(topic, partition, ts_us)

    async def end(self, topic: str, partition: int) -> int:
        return await self.log.end(topic, partition)

    async def flush(self) -> None:
        """Returns when all that was appended so far is on Kafka."""
        for subscription in list(self._subscriptions.values()):
            await subscription.caught_up()
        while self._todo or self._sent:
            # Each round waits for what is on its way now; what is appended meanwhile is not waited for twice.
            before = list(self._sent.values())
            if before:
                await asyncio.wait(before)
            else:
                await asyncio.sleep(RETRY_S)
        await self.log.flush()

    @property
    def failed(self) -> str:
        return self.rows.failed or self.log.failed or self._refused

    def unsent(self) -> int:
        return len(self._todo) + self.log.unsent()

    def lags(self) -> dict[str, int]:
        return self.log.lags()

    def _watch(self) -> None:
        for name in self._topics.keys() - self._subscriptions.keys():
            self._subscriptions[name] = self.rows.subscribe(_GROUP, [name], self._deliver)

    def _noted(self, future: "asyncio.Future[Record]", noted: "asyncio.Future[Record]") -> None:
        if noted.cancelled() or (exc := noted.exception()) is not None:
            if not future.done():
                future.set_exception(exc if not noted.cancelled() and exc is not None else Unavailable("stopped"))
            return
        record = noted.result()
        place = record.topic, record.partition, record.offset
        sent = self._sent.get(place)
        if sent is not None and sent.done():
            self._tell(future, sent)
        else:
            self._waiters[place] = future

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            self._offsets.began(record.topic, record.partition, record.offset)
        self._todo.extend(records)
        if self._later is None:
            self._relay()

    def _relay(self) -> None:
        """As much as Kafka's bus takes; the rest when it takes more."""
        self._later = None
        while self._todo and self._running and len(self._sent) < _MOST:
            record = self._todo[0]
            out = Out(record.topic, record.partition, record.key, record.value, record.headers)
            try:
                sent = self.log.relay(out)
            except InvalidRequest as exc:
                sent = self._loop.create_future()
                sent.set_exception(exc)
            except Unavailable:
                self._later = self._loop.call_later(RETRY_S, self._relay)
                break
            self._todo.popleft()
            self._sent[record.topic, record.partition, record.offset] = sent
            sent.add_done_callback(partial(self._acked, (record.topic, record.partition, record.offset)))
        self._press()

    def _press(self) -> None:
        full = len(self._todo) + len(self._sent) >= _MOST
        if full != self._paused:
            self._paused = full
            for subscription in self._subscriptions.values():
                subscription.pause() if full else subscription.resume()

    def _acked(self, place: Place, sent: "asyncio.Future[Record]") -> None:
        if not self._running or sent.cancelled():
            return
        del self._sent[place]
        topic, partition, offset = place
        if sent.exception() is not None:
            self._report(topic, sent.exception())
        waiter = self._waiters.pop(place, None)
        if waiter is not None:
            self._tell(waiter, sent)
        upto = self._offsets.ended(topic, partition, offset)
        if upto is not None:
            subscription = self._subscriptions[topic]
            subscription.commit(topic, partition, upto, subscription.ownership(topic, partition))
        if self._later is None:
            self._relay()

    def _report(self, topic: str, exc: BaseException | None) -> None:
        """Kafka will never take it: it stays in the file, and what is behind it goes on."""
        told = exc.message if isinstance(exc, ParlanceError) else type(exc).__name__
        self._refused = f"an event for {topic} was refused and is not on Kafka: {told}"
        self._loop.call_exception_handler({"message": "an append failed", "exception": exc})

    def _tell(self, waiter: "asyncio.Future[Record]", sent: "asyncio.Future[Record]") -> None:
        if waiter.done():
            return
        exc = sent.exception()
        if exc is not None:
            waiter.set_exception(exc)
        else:
            waiter.set_result(sent.result())


def _local(info: TopicInfo) -> TopicInfo:
    return TopicInfo(info.name, info.partitions, info.producer, info.key, _KEPT_MS, durable=info.durable)
