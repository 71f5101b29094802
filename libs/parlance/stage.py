"""The stage runtime: order per session, cancel, dedup, retry with a bound, dead letters, back-pressure, drain.

A stage's work is `process(item)`. Where an event must not queue behind running work (an interruption, a newer turn,
a deadline), `cuts(running, new)` says so: the running work is cancelled, its end awaited, the new event handled next.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError

from parlance import clock, log, metrics
from parlance.bus import Bus, Record, Subscription
from parlance.deadletters import dead_letter, no_event
from parlance.errors import ParlanceError, as_error
from parlance.events import parse
from parlance.log import logger
from parlance.offsets import Offsets
from parlance.privacy import KeyDestroyed, Sealing
from parlance.stage_taking import Taking
from parlance.stage_work import Item, Lane, Work
from parlance.store import Conflict
from parlance.v1.dead_pb2 import DeadLetter

_KNOWN_IDS = 20_000
_BACKOFF_S = 0.05
# How often an owner tries again, whose row an owner from before it has just saved.
_CONFLICTS = 8


class Stage:
    def __init__(self, name: str, bus: Bus, sealing: Sealing, work: Work) -> None:
        self.name = name
        self._bus, self._sealing, self._work = bus, sealing, work
        self._lanes: dict[str, Lane] = {}
        # By event id: the ownership that it is handled under; None once it is done.
        self._known: OrderedDict[str, int | None] = OrderedDict()
        self._offsets = Offsets()
        self._in_flight = 0
        self._paused = False
        self._group: asyncio.TaskGroup | None = None
        self._subscription: Subscription | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, topics: Sequence[str], ready: asyncio.Event | None = None) -> None:
        """Runs until cancelled; the work in flight is then cancelled too and comes again at the next start."""
        async with asyncio.TaskGroup() as self._group:
            self._subscription = self._bus.subscribe(self.name, topics, self._deliver)
            taking = Taking(self.name, self._subscription, self._work)
            try:
                await self._subscription.caught_up()
                await self._idle.wait()
                await taking.begin()
                if ready is not None:
                    ready.set()
                await taking.run()
            finally:
                self._group = None
                await self._subscription.stop()

    async def drain(self, grace_s: float) -> None:
        """Takes nothing new, and waits at most `grace_s` for the work in flight."""
        if self._subscription is not None:
            self._subscription.pause()
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("%s: work still in flight at shutdown; it will be done at the next start", self.name)

    def inject(self, item: Item) -> None:
        """Puts an internal event at the head of its session."""
        self._enqueue(item, front=True)

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            ownership = self._owned(record)
            self._offsets.began(record.topic, record.partition, record.offset, ownership)
            self._receive(record, ownership)
        if self._in_flight > self._work.max_in_flight and not self._paused and self._subscription is not None:
            self._paused = True
            self._subscription.pause()

    def replay(self, letter: DeadLetter) -> None:
        """Handles a dead letter again, where its partition is read here; one that fails again is a new one. Raises
        DecodeError where its bytes are still no event."""
        event = parse(letter.topic, letter.value)
        record = Record(letter.topic, letter.partition, letter.offset, 0, letter.key, letter.value)
        if event.WhichOneof("event") and self._owned(record):
            self._enqueue(Item(event.header.session_id, event, letter=record, arrived_us=clock.now_us()))

    def ownership(self, topic: str, partition: int) -> int:
        """0: it is not read here."""
        return self._subscription.ownership(topic, partition) if self._subscription is not None else 0

    def _owned(self, at: Record) -> int:
        return self.ownership(at.topic, at.partition)

    def _receive(self, record: Record, ownership: int) -> None:
        try:
            event = parse(record.topic, record.value)
            kind = event.WhichOneof("event")
            if not kind:
                raise DecodeError("no event in it")
        except DecodeError:
            self._bury(record, no_event(record.topic), 1, "")
            self._done(record, ownership)
            return
        event_id = event.header.event_id
        kinds = self._work.kinds
        if (kinds is not None and kind not in kinds) or not self._is_new(event_id, ownership):
            self._done(record, ownership)
            return
        self._known[event_id] = ownership
        if len(self._known) > _KNOWN_IDS:
            self._known.popitem(last=False)
        self._enqueue(Item(event.header.session_id, event, record, clock.now_us(), ownership=ownership))

    def _is_new(self, event_id: str, ownership: int) -> bool:
        """What is still handled under an ownership that was lost is handled again: its end is not this one's."""
        under = self._known.get(event_id)
        return event_id not in self._known or (under is not None and under < ownership)

    def _enqueue(self, item: Item, front: bool = False) -> None:
        lane = self._lanes.get(item.session)
        if lane is None:
            lane = self._lanes[item.session] = Lane()
        urgent = front
        if lane.running is not None and self._work.cuts(lane.running, item):
            lane.running.cut.cut()
            urgent = True
        elif lane.running is not None:
            self._work.held_up(item)
        lane.put_first(item, self._work.cuts) if urgent else lane.queue.append(item)
        self._in_flight += 1
        self._idle.clear()
        if not lane.active and self._group is not None:
            lane.active = True
            self._group.create_task(self._drive(item.session, lane))

    async def _drive(self, session: str, lane: Lane) -> None:
        try:
            while lane.queue:
                item = lane.running = lane.queue.pop(0)
                if lane.queue and any(self._work.cuts(item, waiting) for waiting in lane.queue):
                    item.cut.cut()
                keep = await self._handle(item)
                lane.running = None
                if item.durable is None:
                    self._finish(item, keep)
                else:
                    item.durable.add_done_callback(partial(self._settled, item))
        finally:
            lane.running, lane.active = None, False
            if not lane.queue:
                self._lanes.pop(session, None)
            self._relax()

    def _settled(self, item: Item, durable: "asyncio.Future[Any]") -> None:
        item.durable = None
        if durable.cancelled():
            self._finish(item, keep=False)
        elif (exc := durable.exception()) is None:
            self._finish(item, keep=True)
        else:
            item.refusal = exc
            self._in_flight -= 1
            self._enqueue(item, front=True)
        self._relax()

    def _finish(self, item: Item, keep: bool) -> None:
        self._in_flight -= 1
        if item.record is not None and keep:
            event_id = item.event.header.event_id
            if self._known.get(event_id) == item.ownership:
                self._known[event_id] = None
            self._done(item.record, item.ownership)

    def _relax(self) -> None:
        if self._in_flight <= 0:
            self._idle.set()
        if self._paused and self._in_flight < self._work.max_in_flight // 2 and self._subscription is not None:
            self._paused = False
            self._subscription.resume()

    async def _handle(self, item: Item) -> bool:
        """True: done, its offset may be committed."""
        while True:
            try:
                await self._process(item)
                return True
            except KeyDestroyed:
                return True
            except Conflict:
                item.conflicts += 1
                if item.conflicts > _CONFLICTS or not self._still_owns(item):
                    self._leave(item)
                    return False
            except Exception as exc:
                item.failed += 1
                error = as_error(exc)
                log.failed(f"{self.name}: attempt {item.failed}", exc)
                if item.failed == self._work.attempts:
                    await self._give_up(item, error, item.failed)
                    return True
            item.durable = None
            await asyncio.sleep(_BACKOFF_S * 2 ** (item.failed + item.conflicts))

    async def _process(self, item: Item) -> None:
        if item.refusal is not None:
            refusal, item.refusal = item.refusal, None
            raise refusal
        if item.sealed:
            self._sealing.open(item.event)
            item.sealed = False
        with metrics.handling(self.name):
            await item.cut.run(self._work.process(item))

    def _leave(self, item: Item) -> None:
        """To the owner that has replaced this one."""
        logger.warning("%s: replaced by another owner; leaves the event to it", self.name)
        event_id = item.event.header.event_id
        if item.record is not None and self._known.get(event_id) == item.ownership:
            del self._known[event_id]

    def _still_owns(self, item: Item) -> bool:
        return item.record is None or self._owned(item.record) == item.ownership

    async def _give_up(self, item: Item, error: ParlanceError, attempts: int) -> None:
        record = item.record or item.letter
        if record is not None:
            self._bury(record, error, attempts, item.event.header.turn_id)
        try:
            await self._work.failed(item, error)
        except Exception as exc:
            log.failed(f"{self.name}: could not end the turn", exc)

    def _bury(self, record: Record, error: ParlanceError, attempts: int, turn_id: str) -> None:
        self._bus.append([dead_letter(self.name, record, error, attempts, turn_id)])

    def _done(self, record: Record, ownership: int) -> None:
        upto = self._offsets.ended(record.topic, record.partition, record.offset, ownership)
        if upto is not None and self._subscription is not None:
            self._subscription.commit(record.topic, record.partition, upto, ownership)
