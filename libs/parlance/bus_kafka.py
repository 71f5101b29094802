"""The bus on Apache Kafka: the same services, in one process or many.

What is appended is kept in memory until the broker has it: a broker that is away for a minute is waited for, what
waits has a bound, and `failed` says so. Topics are made by `parlance topics apply`, never here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from parlance.bus import Deliver, Out, Record, Subscription
from parlance.errors import ParlanceError, Unavailable
from parlance.events import TopicInfo
from parlance.kafka_address import GROUP_PREFIX, STOP_S, Address, parse
from parlance.kafka_client import check_topics, producer
from parlance.kafka_clock import BrokerClock
from parlance.kafka_entry import size_of
from parlance.kafka_feed import ClientFeed, Feed
from parlance.kafka_ownership import Ownerships
from parlance.kafka_reader import Reader
from parlance.kafka_sender import Sender
from parlance.kafka_subscription import KafkaSubscription
from parlance.kafka_wanted import Plumbing, Wanted
from parlance.log import logger
from parlance.rpc import Credentials

_PROBE_S, _SILENT_S = 1.0, 3.0  # so long may the broker think


class KafkaBus:
    """`url`: kafka://HOST:PORT[,HOST:PORT...], or kafka+tls:// with `tls`. `prefix`: stands before the names of its
    groups. Raises InvalidRequest where the url is none."""

    # What sends (not started), and what fetches for a consumer.
    producer: Callable[[Address], Any] = staticmethod(producer)
    feed: Callable[[Any, Address], Feed] = staticmethod(ClientFeed)

    def __init__(self, url: str, *, prefix: str = GROUP_PREFIX, tls: Credentials | None = None) -> None:
        self._address = parse(url, tls)
        self._prefix = prefix
        self.follows_clock = False  # set before `start`: this process goes by the broker's clock
        self.flush_first: Callable[[], Awaitable[None]] | None = None
        """What else must have been written before a subscription can be called caught up."""
        self._topics, self._checked = dict[str, TopicInfo](), set[str]()
        self._ownerships: dict[str | None, Ownerships] = {}
        self._subscriptions: list[KafkaSubscription] = []
        self._silent_since, self._unfit = 0.0, ""
        self._running = False
        self._main: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup
        self._loop: asyncio.AbstractEventLoop
        self._sender: Sender
        self._reader: Reader

    async def start(self) -> None:
        """Raises Unavailable where no broker answers or a declared topic is missing or has other partitions."""
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(self._address)
        clock = BrokerClock(self._address, follows=self.follows_clock)
        self._sender = sender = Sender(self._address, self._require, self._checked, clock.stamped)
        sender.producer = self.producer
        await sender.start()
        try:
            await self._check(self._topics.values())
        except BaseException:
            await self._sender.stop()
            raise
        opened = asyncio.Event()
        self._main = self._loop.create_task(self._run(opened))
        await opened.wait()
        self._running = True

    async def _run(self, opened: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._sender.run())
            self._group.create_task(self._probe())
            opened.set()
            await asyncio.Event().wait()

    async def stop(self) -> None:
        """Raises Unavailable where something appended could not be written within ten seconds."""
        if not self._running:
            return
        for subscription in list(self._subscriptions):
            await subscription.stop()
        try:
            async with asyncio.timeout(STOP_S):
                await self._sender.flush()
        except TimeoutError:
            pass
        self._running = False
        lost = self._sender.waiting
        if self._main is not None:
            self._main.cancel()
            await asyncio.wait([self._main])
        await self._sender.stop()
        await self._reader.stop()
        if lost:
            raise Unavailable(f"{lost} events could not be written to Kafka at {self._address}: {self.failed}")

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        for info in topics:
            self._topics[info.name] = info

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        self.check(outbox)
        self._sender.append(outbox, lazy)

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        self.check((out,))
        future: asyncio.Future[Record] = self._loop.create_future()
        self._sender.put(out, future)
        return future

    def relay(self, out: Out) -> "asyncio.Future[Record]":
        """As `publish`, for what is kept elsewhere until it is acknowledged: waits for as long as it takes."""
        self.check((out,))
        future: asyncio.Future[Record] = self._loop.create_future()
        self._sender.put(out, future, patient=True)
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
        """`partitions` cannot be picked for a group: the group shares them out."""
        self._check_running()
        places = self._find(topics, partitions)
        if group is not None:
            self._check_group(group, topics, partitions)
        flush = self.flush_first or self._sender.flush
        plumbing = Plumbing(self._address, self.feed, self._prefix, flush, self._sender.gate, self._forget)
        owned, wanted = self._ownerships.setdefault(group, Ownerships()), Wanted(group, tuple(topics), places, from_us)
        made = KafkaSubscription(plumbing, wanted, deliver, owned)
        self._subscriptions.append(made)
        made.start(self._group.create_task)
        return made

    async def read(self, topic: str, partition: int, start: int, limit: int = 1000) -> list[Record]:
        return await self._reader.read(*self._place(topic, partition), start, limit)

    async def offset_at(self, topic: str, partition: int, ts_us: int) -> int:
        return await self._reader.offset_at(*self._place(topic, partition), ts_us)

    async def end(self, topic: str, partition: int) -> int:
        return await self._reader.end(*self._place(topic, partition))

    async def flush(self) -> None:
        self._check_running()
        await self._sender.flush()

    @property
    def failed(self) -> str:
        if self._silent_since:
            return self._address.silent(self._loop.time() - self._silent_since, self._sender.waiting)
        return self._unfit or self._sender.failed or next((s.failed for s in self._subscriptions if s.failed), "")

    def unsent(self) -> int:
        """Events that the broker has not acknowledged."""
        return self._sender.waiting

    def lags(self) -> dict[str, int]:
        """By group: records in the log that have not been delivered here, as far as the broker's last answers tell."""
        return {s.wanted.group: s.lag() for s in list(self._subscriptions) if s.wanted.group is not None}

    def check(self, outbox: Sequence[Out]) -> None:
        """Raises ValueError for topics that were not declared, InvalidRequest for an event over the limit."""
        self._check_running()
        for out in outbox:
            info = self._topics.get(out.topic)
            if info is None or not 0 <= out.partition < info.partitions:
                raise ValueError(f"no partition {out.partition} of a declared topic {out.topic}")
            size_of(out)

    async def _probe(self) -> None:
        """Asks the broker something small again and again: `failed` must tell also where nobody appends."""
        while True:
            await asyncio.sleep(_PROBE_S)
            asked = self._loop.time()
            if await self._answers():
                if self._silent_since:
                    self._silent_since = 0.0
                    logger.warning("Kafka at %s answers again", self._address)
            elif not self._silent_since:
                self._silent_since = asked
                logger.warning("%s", self.failed)
            self._sender.look()

    async def _answers(self) -> bool:
        client = self._sender.client
        if client is None:
            return False
        try:
            async with asyncio.timeout(_SILENT_S):
                return bool(await client.client.force_metadata_update())
        except TimeoutError:
            return False

    async def _check(self, topics: Any) -> None:
        infos = [info for info in topics if info.name not in self._checked]
        if infos:
            await check_topics(self._sender.client.client, self._address, infos)
            self._checked.update(info.name for info in infos)

    async def _require(self, topic: str) -> None:
        """A topic that was declared late: what is appended to it waits until it is there."""
        if topic in self._checked:
            return
        try:
            await self._check([self._topics[topic]])
        except ParlanceError as exc:
            self._unfit = exc.message
            raise
        self._unfit = ""

    def _forget(self, subscription: KafkaSubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def _find(self, topics: Sequence[str], numbers: Sequence[int] | None) -> tuple[tuple[str, int], ...]:
        found: list[tuple[str, int]] = []
        for topic in topics:
            count = self._topics[topic].partitions if topic in self._topics else 0
            own = range(count) if numbers is None else numbers
            if not count or not all(0 <= n < count for n in own):
                raise ValueError(f"no such partitions of a declared topic {topic}")
            found += [(topic, n) for n in own]
        return tuple(found)

    def _place(self, topic: str, partition: int) -> tuple[Any, tuple[str, int]]:
        self._check_running()
        return self._topics.values(), self._find([topic], [partition])[0]

    def _check_running(self) -> None:
        if not self._running:
            raise Unavailable("Kafka is not connected: start the bus first")

    def _check_group(self, group: str, topics: Sequence[str], partitions: Sequence[int] | None) -> None:
        if partitions is not None:
            raise ValueError(f"group {group} shares its partitions out by itself")
        if len({self._topics[topic].partitions for topic in topics}) > 1:
            raise ValueError(f"the topics of group {group} have different numbers of partitions: {', '.join(topics)}")
        for other in self._subscriptions:
            if other.wanted.group == group and (both := set(other.wanted.topics) & set(topics)):
                raise ValueError(f"group {group} is subscribed to {', '.join(sorted(both))} already")
