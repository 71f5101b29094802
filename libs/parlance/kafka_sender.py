"""Appends to Kafka in call order, with nobody waiting; what is not acknowledged is kept and sent again.

The client keeps the order of a partition by sequence numbers, so whatever follows a record that it gave up fails too:
then a new client sends all of it again, in order. Duplicates of a record that had arrived are dropped by its event's
id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Container, Sequence
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError

from parlance import kafka_lost
from parlance.bus import Out, Record
from parlance.errors import ParlanceError, Unavailable
from parlance.kafka_address import CONNECT_S, HELD_BYTES, HELD_EVENTS, PUBLISH_S, RETRY_S, Address
from parlance.kafka_client import REFUSED, closed, producer, started
from parlance.kafka_entry import Entry, size_of
from parlance.kafka_kept import Kept
from parlance.kafka_lazy import Lazy


class Sender:
    """`run` is a task of the bus. `check(topic)` returns once it may be written to; `known`: where that was so before.
    `stamped` is told each record's stamp, and when it was sent at the earliest."""

    def __init__(
        self,
        address: Address,
        check: Callable[[str], Awaitable[None]],
        known: Container[str] = (),
        stamped: Callable[[int, float], None] = lambda ts_us, sent_at: None,
    ) -> None:
        self.failed = ""
        self.client: Any = None
        self.producer: Callable[[Address], Any] = producer
        self._address = address
        self._check, self._known, self._stamped = check, known, stamped
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Entry] = deque()
        self._kept = Kept()
        self._lazy = Lazy(self._put)
        self._woken = asyncio.Event()
        self._broken = False
        # `run` has an entry in hand, which is not in the queue.
        self._doing = False

    async def start(self) -> None:
        """Raises Unavailable where no broker answers."""
        self.client = await started(self.producer(self._address), self._address)

    @property
    def waiting(self) -> int:
        """Events that are not acknowledged."""
        return self._kept.events + len(self._lazy)

    def put(self, out: Out, future: "asyncio.Future[Record] | None" = None, *, patient: bool = False) -> None:
        """Raises InvalidRequest for an event over the limit, Unavailable where too much waits already."""
        self._lazy.before(out.topic)
        self._put(out, future, patient)

    def append(self, outbox: Sequence[Out], lazy: bool) -> None:
        """Puts all of it: lazily a few milliseconds later, unless something needs all that was put before it."""
        if not lazy:
            for out in outbox:
                self.put(out)
            return
        self._check_room(sum(size_of(out) for out in outbox), len(self._lazy))
        self._lazy.hold(outbox)

    def _check_room(self, size: int, held: int = 0) -> None:
        if self._kept.events + held >= HELD_EVENTS or self._kept.bytes + size > HELD_BYTES:
            waiting = f"{self.waiting} events wait for Kafka at {self._address}"
            raise Unavailable(self.failed or f"{waiting}: it takes them too slowly")

    def _put(self, out: Out, future: "asyncio.Future[Record] | None" = None, patient: bool = False) -> None:
        self._check_room(size := size_of(out))
        entry = Entry(self._kept.count, self._loop.time(), size, out, future=future, patient=patient)
        if self._hand_over(entry, out):
            self._kept.add(entry)
        else:
            self._add(entry)

    def _hand_over(self, entry: Entry, out: Out) -> bool:
        """To the client at once, where nothing is in line before it: `run` would be woken only after all that the loop
        has at hand, and with a turn in full swing that is much."""
        if self._queue or self._doing or self._broken or self.client is None or out.topic not in self._known:
            return False
        sending = self._send(out)
        try:
            sending.send(None)
        except StopIteration as sent:
            sent.value.add_done_callback(partial(self._sent, entry, self.client))
            return True
        except (KafkaError, OSError, TimeoutError):
            return False
        sending.close()  # it wants to wait, for room in a batch: nothing of it is in there yet
        return False

    def gate(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` after all that was appended before is acknowledged, and before anything later is sent."""
        self._lazy.released()
        self._add(Entry(self._kept.count, self._loop.time(), gate=work))

    def _add(self, entry: Entry) -> None:
        self._queue.append(entry)
        self._kept.add(entry)
        self._woken.set()

    async def flush(self) -> None:
        """Returns when all that was appended so far is acknowledged."""
        while not self._lazy.released():
            await self._kept.flush()
        await self._kept.flush()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._queue or self._broken:
                if self._broken:
                    await self._renew()
                    continue
                entry = self._queue.popleft()
                self._doing = True
                done = entry.done or await self._do(entry)
                self._doing = False
                if done:
                    continue
                self._queue.appendleft(entry)
                if not self._broken:
                    await asyncio.sleep(RETRY_S)

    async def _do(self, entry: Entry) -> bool:
        """False: not now."""
        if (entry.gate is not None or entry.suspect) and not await self._all_before(entry):
            return False
        try:
            if entry.out is None:
                assert entry.gate is not None
                await entry.gate()
                self._kept.end(entry)
                return True
            await self._check(entry.out.topic)
            async with asyncio.timeout(CONNECT_S):
                sent = await self._send(entry.out)
        except (KafkaError, OSError, TimeoutError, ParlanceError):
            return False
        sent.add_done_callback(partial(self._sent, entry, self.client))
        if entry.suspect:
            await asyncio.wait([sent])
        return True

    async def _all_before(self, entry: Entry) -> bool:
        """Waits until all that was sent before is acknowledged; False where it has to be sent again first."""
        kept = self._kept
        while kept.entries[0] is not entry:
            if self._broken:
                return False
            kept.progress.clear()
            await kept.progress.wait()
        return True

    async def _send(self, out: Out) -> "asyncio.Future[Any]":
        sent: asyncio.Future[Any] = await self.client.send(
            out.topic, out.value, out.key, out.partition, headers=list(out.headers)
        )
        return sent

    def _sent(self, entry: Entry, client: Any, sent: "asyncio.Future[Any]") -> None:
        if entry.done or sent.cancelled():
            return
        exc = sent.exception()
        if exc is None:
            found, out = sent.result(), entry.out
            assert out is not None
            self._stamped(found.timestamp * 1000, entry.at)
            if entry.future is not None and not entry.future.done():
                at_us = found.timestamp * 1000
                entry.future.set_result(
                    Record(out.topic, out.partition, found.offset, at_us, out.key, out.value, out.headers)
                )
            self._kept.end(entry)
        elif client is not self.client:
            return  # it is sent again already
        elif isinstance(exc, REFUSED) and entry.suspect:
            self._refused(entry, exc)
        else:
            entry.suspect = isinstance(exc, REFUSED)
            self._break()

    def _refused(self, entry: Entry, exc: BaseException) -> None:
        topic = entry.out.topic if entry.out is not None else ""
        error = Unavailable(f"Kafka at {self._address} refuses an event for {topic} ({type(exc).__name__})")
        if entry.future is not None and not entry.future.done():
            entry.future.set_exception(error)
        else:
            self.failed = error.message
            self._loop.call_exception_handler({"message": "an append failed", "exception": error})
        self._kept.end(entry)
        self._break()

    def _break(self) -> None:
        """What the client gave up leaves a gap in its numbers: it is of no more use."""
        self._broken = True
        self._woken.set()
        self._kept.progress.set()

    async def _renew(self) -> None:
        """A new client, and from the first record without an acknowledgement on all of it again."""
        await self._drop()
        try:
            await self.start()
        except Unavailable:
            await asyncio.sleep(RETRY_S)
            return
        self._broken = False
        self._queue = deque(entry for entry in self._kept.entries if not entry.done)

    def look(self) -> None:
        """Takes another client where this one has died. Tells those who wait that no acknowledgement has come; what has
        not left yet never does."""
        if self.client is not None and kafka_lost.died(self.client):
            self._break()
        now = self._loop.time()
        for entry in list(self._kept.entries):
            late = entry.future is not None and not entry.patient and now - entry.at >= PUBLISH_S
            if not late or entry.future is None or entry.future.done():
                continue
            entry.future.set_exception(Unavailable(self._address.silent(now - entry.at, 0)))
            if entry in self._queue:
                self._queue.remove(entry)
                self._kept.end(entry)

    async def stop(self) -> None:
        """`run` has ended. Closes the client; what is not acknowledged is given up."""
        left = f"Kafka at {self._address} was left"
        self._kept.leave(self.failed or left, left)
        await self._drop()

    async def _drop(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            kafka_lost.bury(client)
            await (client.abandon() if self._kept.events else closed(client))
