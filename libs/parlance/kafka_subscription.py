"""A subscription to Kafka: one consumer, one task that hands its records over, commits that carry an ownership.

After a rebalance the client fetches again from the committed offsets. What a partition that stayed has delivered
already is not delivered again; a partition that comes anew has a new ownership and begins at its commit.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from parlance import kafka_lost
from parlance.bus import Deliver, Record
from parlance.errors import Unavailable
from parlance.kafka_address import LEAVE_S, RETRY_S
from parlance.kafka_client import closed, consumer, heed_refusals, started
from parlance.kafka_commits import Commits
from parlance.kafka_feed import Feed
from parlance.kafka_ownership import SPLIT, Membership, Ownerships, Place, uneven
from parlance.kafka_wanted import Listener, Plumbing, Wanted, places_of

_LOOK_S = 0.05


class KafkaSubscription:
    """Made by `KafkaBus.subscribe`; `run` is a task of the bus."""

    def __init__(self, plumbing: Plumbing, wanted: Wanted, deliver: Deliver, ownerships: Ownerships) -> None:
        self.wanted = wanted
        self._trouble = self._split = ""
        self._plumbing = plumbing
        self._deliver = deliver
        self._membership = Membership(ownerships)
        self._commits = Commits(self._membership)
        self._loop = asyncio.get_running_loop()
        self._consumer: Any = None
        self._feed: Feed | None = None  # while there is a consumer
        self._next: dict[Place, int] = {}
        self._begins: dict[Place, int] = {}  # without a group
        # Of who waits to be caught up since before it was open: the ends that are found then are theirs.
        self._goals: list[dict[Place, int]] = []
        self._revocations = 0
        self._settled, self._moved, self._opened = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._holding = self._cut = False
        self._given: Callable[[], None] = lambda: None
        self._tasks = list[asyncio.Task[None]]()
        if not wanted.at_once:
            plumbing.after_appends(self._open)

    def start(self, spawn: Callable[[Any], "asyncio.Task[None]"]) -> None:
        self._tasks = [spawn(self._run()), spawn(self._commits.run())]

    @property
    def failed(self) -> str:
        """ "" while well."""
        return self._split or self._trouble

    def commit(self, topic: str, partition: int, next_offset: int, ownership: int) -> None:
        if self.wanted.group is not None and not self._cut:
            self._commits.add((topic, partition), next_offset, ownership)

    def ownership(self, topic: str, partition: int) -> int:
        return self._membership.held.get((topic, partition), 0)

    def lag(self) -> int:
        return self._feed.lag(self._next) if self._feed is not None else 0

    def when_given(self, call: Callable[[], None]) -> None:
        self._given = call

    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    async def caught_up(self) -> None:
        await self._plumbing.flush()
        goals: dict[Place, int] = {}
        if self._consumer is None and self.wanted.group is None:
            self._goals.append(goals)
        while True:
            if self._cut:
                raise Unavailable("the subscription was stopped")
            revocations = self._revocations
            if self._settled.is_set() and await self._reached(goals) and revocations == self._revocations:
                if self.failed:
                    raise Unavailable(self.failed)
                return
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._moved.wait()

    async def stop(self) -> None:
        if self._cut:
            return
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._leave()
        self._plumbing.stopped(self)

    def cut(self) -> None:
        """No delivery from now on."""
        self._cut = True
        self._moved.set()

    async def _run(self) -> None:
        while not self._cut:
            try:
                if self.wanted.at_once or self._opened.is_set():
                    await self._open()
                await self._opened.wait()
                while not self._cut:
                    await self._once()
            except Exception as exc:  # whatever the client has met: it is told, and another one goes on
                self._trouble = f"reading from Kafka at {self._plumbing.address} failed ({type(exc).__name__}): {exc}"
                await asyncio.sleep(RETRY_S)
                if self._consumer is not None:
                    self._on_revoked()
                    await self._close()

    async def _close(self) -> None:
        feed, self._consumer, self._feed = self._feed, None, None
        if feed is not None:
            await feed.close()

    async def _open(self) -> None:
        """Connects and finds where to begin."""
        if self._cut or self._consumer is not None:
            return
        address, group = self._plumbing.address, self.wanted.group
        client = await started(consumer(address, group and self._plumbing.prefix + group), address)
        if self._cut:
            await closed(client)
            return
        self._consumer, self._feed = client, self._plumbing.feed(client, address)
        try:
            if group is not None:
                heed_refusals(client)
                client.subscribe(list(self.wanted.topics), listener=Listener(self._on_revoked, self._on_assigned))
            else:
                reached = self._begins | self._next
                self._begins, ends = await places_of(client, self.wanted, reached)
                self._feed.begin(self._begins)
                for goals in self._goals:
                    goals |= ends
                self._goals = []
                self._membership.assigned("", 0, self.wanted.places)
                self._settled.set()
        except BaseException:
            await self._close()
            raise
        self._opened.set()

    async def _once(self) -> None:
        await self._flowing.wait()
        assert self._feed is not None
        batches = await self._feed.take()
        if not batches and (why := kafka_lost.died(self._consumer)):
            raise Unavailable(why)
        self._trouble = ""
        self._moved.set()
        if not batches:
            return
        self._holding = True
        try:
            # They may be of an assignment whose ownerships are not counted yet; those of one that has been revoked
            # since are fetched again.
            revocations = self._revocations
            await self._settled.wait()
            while not self._flowing.is_set():
                await self._flowing.wait()
            if revocations == self._revocations and not self._cut:
                self._hand_over(batches)
        finally:
            self._holding = False

    def _hand_over(self, batches: dict[Place, list[Record]]) -> None:
        records: list[Record] = []
        for place, found in batches.items():
            begin = self._next.get(place, 0)
            records += found if found[0].offset >= begin else [r for r in found if r.offset >= begin]
            self._next[place] = max(begin, found[-1].offset + 1)
        if not records:
            return
        try:
            self._deliver(records)
        except Exception as exc:
            self._loop.call_exception_handler({"message": "a delivery failed", "exception": exc})

    async def _reached(self, goals: dict[Place, int]) -> bool:
        """Whether all that is held here has been delivered up to the goals; finds the goals that are missing."""
        client, feed, places = self._consumer, self._feed, list(self._membership.held)
        if feed is None:
            return False
        try:
            unknown = [TopicPartition(*place) for place in places if place not in goals]
            if unknown:
                goals.update({(at.topic, at.partition): end for at, end in (await client.end_offsets(unknown)).items()})
            for place in places:
                if self._next.get(place, 0) >= goals[place]:
                    continue
                # Not by its records: there are none, or (compacted, marked) none at its end.
                if await feed.position(place) < goals[place] or self._holding:
                    return False
        except (KafkaError, IllegalStateError, TimeoutError):
            return False
        return True

    def _on_revoked(self) -> None:
        self._revocations += 1
        self._settled.clear()
        self._commits.revoked()
        if self._feed is not None:
            self._feed.revoked()

    def _on_assigned(self, assigned: set[Any]) -> None:
        if self._consumer is None:
            return
        group = self._consumer._coordinator
        places = {(at.topic, at.partition) for at in assigned}
        anew = self._membership.assigned(group.member_id, group.generation, places)
        self._next = {place: n for place, n in self._next.items() if place in places - anew}
        self._split = SPLIT.format(self.wanted.group) if uneven(self.wanted.topics, places) else ""
        self._commits.assigned(self._consumer)
        if self._feed is not None:
            self._feed.assigned(places)
        self._settled.set()
        self._moved.set()
        if anew:
            self._given()

    async def _leave(self) -> None:
        if self._consumer is None:
            return
        with contextlib.suppress(TimeoutError):  # not written: they are delivered again
            async with asyncio.timeout(LEAVE_S):
                await self._commits.write()
        await self._close()
