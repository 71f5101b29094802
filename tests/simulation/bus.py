"""One process's view of the shared log: a FIFO writer with delays, subscriptions with delays."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from parlance.bus import Deliver, Out, Record
from parlance.events import TOPICS, TopicInfo
from tests.simulation.loop import Life
from tests.simulation.world import World

_COMMIT_S = 0.05


class Writer:
    """What a process writes, in call order. What has not been written when it dies is lost."""

    def __init__(self, world: World, life: Life) -> None:
        self.world, self.life = world, life
        self._queue: list[tuple[Callable[[], Any], asyncio.Future[Any] | None]] = []
        self._scheduled = False

    def put(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        future = self.world.loop.create_future()
        # One that nobody waits for must not complain.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._queue.append((work, future))
        if not self._scheduled:
            self._scheduled = True
            self._after(self._pump)
        return future

    def _after(self, call: Callable[..., Any], *args: Any) -> None:
        self.world.loop.call_later(self.world.writer_delay(self.life), call, *args, context=self.life.context)

    def _pump(self) -> None:
        """Writes some of what is there, so that it may die between any two writes."""
        self._scheduled = False
        count = self.world.chance.randint(1, len(self._queue))
        done = []
        for _ in range(count):
            index = 0 if self.world.faults.fifo else self.world.chance.randrange(len(self._queue))
            work, future = self._queue.pop(index)
            done.append((future, _outcome(work, self.world)))
        self._after(self._acknowledge, done)
        if self._queue:
            self._scheduled = True
            self._after(self._pump)
        self.world.step()

    def _acknowledge(self, done: list[tuple[Any, Any]]) -> None:
        for future, value in done:
            if future.done():
                continue
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)
        self.world.step()


def _outcome(work: Callable[[], Any], world: World) -> Any:
    if world.closed:
        return asyncio.CancelledError()
    try:
        return work()
    except Exception as exc:
        return exc


class SimBus:
    def __init__(self, writer: Writer) -> None:
        self.writer, self._world, self._life = writer, writer.world, writer.life
        self.failed = ""

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        await self.flush()

    def declare(self, topics: Sequence[TopicInfo]) -> None:
        for info in topics:
            self._world.declare(info)

    def append(self, outbox: Sequence[Out], *, lazy: bool = False) -> None:
        for out in outbox:
            self.publish(out)

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        asked_at = self._world.loop.time()
        return self.writer.put(lambda: self._world.append(out, self._life, asked_at))

    def subscribe(
        self,
        group: str | None,
        topics: Sequence[str],
        deliver: Deliver,
        *,
        partitions: Sequence[int] | None = None,
        from_us: int | None = None,
    ) -> "SimSubscription":
        places = [(t, p) for t in topics for p in range(TOPICS[t].partitions) if partitions is None or p in partitions]
        return SimSubscription(self.writer, group, places, deliver, from_us)

    async def read(self, topic: str, partition: int, start: int, limit: int = 1000) -> list[Record]:
        return [w.record for w in self._world.log[topic, partition][start : start + limit]]

    async def offset_at(self, topic: str, partition: int, ts_us: int) -> int:
        return _first_at(self._world, (topic, partition), ts_us)

    async def end(self, topic: str, partition: int) -> int:
        return len(self._world.log[topic, partition])

    async def flush(self) -> None:
        await self.writer.put(lambda: None)


class SimSubscription:
    """Whoever subscribes a group last is its owner; the one before gets nothing any more and is not told."""

    def __init__(
        self, writer: Writer, group: str | None, places: list[tuple[str, int]], deliver: Deliver, from_us: int | None
    ) -> None:
        self._writer, self._world, self._life = writer, writer.world, writer.life
        self._group, self._deliver = group, deliver
        self._ownership: dict[tuple[str, int], int] = {}
        self._next = {place: self._begin(place, from_us) for place in places}
        self._scheduled: set[tuple[str, int]] = set()
        self._paused = self._stopped = False
        self._to_commit: dict[tuple[str, int], tuple[int, int]] = {}
        self._waiters: list[tuple[asyncio.Future[None], dict[tuple[str, int], int]]] = []
        self.given: Callable[[], None] = lambda: None
        if group is not None:
            self._world.members[group] = self
        self._world.subscriptions.append(self)
        for place in places:
            self.notify(*place)

    def _begin(self, place: tuple[str, int], from_us: int | None) -> int:
        if self._group is not None:
            key = (self._group, *place)
            self._world.ownerships[key] += 1
            self._ownership[place] = self._world.ownerships[key]
            return self._world.committed.get(key, 0)
        return len(self._world.log[place]) if from_us is None else _first_at(self._world, place, from_us)

    @property
    def replaced(self) -> bool:
        return self._group is not None and self._world.members[self._group] is not self

    def notify(self, topic: str, partition: int) -> None:
        """There is something new."""
        place = (topic, partition)
        if place not in self._next or place in self._scheduled or self._paused or self._stopped:
            return
        if self._next[place] >= len(self._world.log[place]) or not self._life.alive or self.replaced:
            return
        self._scheduled.add(place)
        delay = self._world.delivery_delay(self._life, self._group, topic)
        self._world.loop.call_later(delay, self._hand_over, place, context=self._life.context)

    def _hand_over(self, place: tuple[str, int]) -> None:
        self._scheduled.discard(place)
        if self._paused or self._stopped or self.replaced or self._world.closed:
            return
        start = self._next[place]
        count = self._world.chance.choice((1, 2, 1000))
        records = [w.record for w in self._world.log[place][start : start + count]]
        if records:
            self._next[place] = records[-1].offset + 1
            self._world.delivered(self._group, self._life, records)
            self._deliver(records)
        self._settle()
        self.notify(*place)
        self._world.step()

    def commit(self, topic: str, partition: int, next_offset: int, ownership: int) -> None:
        if self._group is None or self._stopped:
            return
        if not self._to_commit:
            loop = self._world.loop
            loop.call_later(self._world.delay(_COMMIT_S), self._commit, context=self._life.context)
        self._to_commit[topic, partition] = (next_offset, ownership)

    def _commit(self) -> None:
        pending, self._to_commit = self._to_commit, {}

        def write() -> None:
            for place, (next_offset, ownership) in pending.items():
                key = (str(self._group), *place)
                if ownership >= self._world.ownerships[key] or not self._world.faults.fenced:
                    self._world.committed[key] = next_offset

        self._writer.put(write)

    def ownership(self, topic: str, partition: int) -> int:
        return self._ownership.get((topic, partition), 0)

    def when_given(self, call: Callable[[], None]) -> None:
        """Whoever subscribes has all of it, until it is replaced."""
        self.given = call

    def take_over(self) -> None:
        """The group gives it all of its partitions again; another one had them."""
        self._world.members[str(self._group)] = self
        for place in self._next:
            self._next[place] = self._begin(place, None)
            self.notify(*place)
        self.given()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        for place in self._next:
            self.notify(*place)

    async def caught_up(self) -> None:
        heads = {place: len(self._world.log[place]) for place in self._next}
        waiter: asyncio.Future[None] = self._world.loop.create_future()
        self._waiters.append((waiter, heads))
        self._settle()
        await waiter

    def _settle(self) -> None:
        for waiter, heads in self._waiters:
            if not waiter.done() and all(self._next[place] >= head for place, head in heads.items()):
                waiter.set_result(None)
        self._waiters = [w for w in self._waiters if not w[0].done()]

    async def stop(self) -> None:
        self._stopped = True


def _first_at(world: World, place: tuple[str, int], ts_us: int) -> int:
    log = world.log[place]
    return next((w.record.offset for w in log if w.record.ts_us >= ts_us), len(log))
