"""Appends to Kafka in call order, with nobody waiting; what is not acknowledged is kept and sent again.

The client keeps the order of a partition by sequence numbers, so whatever follows a record that it gave up fails too:
then a new client sends all of it again, in order. Duplicates of a record that had arrived are dropped by its event's
id.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from parlance.bus import Out, Record
from parlance.errors import ParlanceError, Unavailable
from parlance.kafka_address import (
    HELD_BYTES,
    HELD_EVENTS,
    LEAVE_S,
    PUBLISH_S,
    RETRY_S,
    Address,
)
from parlance.kafka_client import closed, producer, started
from parlance.kafka_entry import Entry, size_of

# The record itself is refused: another attempt would end in the same way.
_REFUSED = (MessageSizeTooLargeError, InvalidTopicError, TopicAuthorizationFailedError)


class Sender:
    """`run` is a task of the bus. `check(topic)` returns once the topic may be written to."""

    def __init__(self, address: Address, check: Callable[[str], Awaitable[None]]) -> None:
        self.failed = ""
        self.client: Any = None
        self._address = address
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Entry] = deque()
        self._kept: deque[Entry] = deque()
        self._count = 0
        self._events = 0
        self._bytes = 0
        self._woken = asyncio.Event()
        self._progress = asyncio.Event()
        self._broken = False
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []

    async def start(self) -> None:
        """Raises Unavailable where no broker answers."""
        self.client = await started(producer(self._address), self._address)

    @property
    def waiting(self) -> int:
        """Events that are not acknowledged."""
        return self._events

    def oldest_s(self) -> float:
        """How long the oldest of them has waited, seconds."""
        return self._loop.time() - self._kept[0].at if self._kept else 0.0

    def put(self, out: Out, future: "asyncio.Future[Record] | None" = None, *, patient: bool = False) -> None:
        """Raises InvalidRequest for an event over the limit, Unavailable where too much waits already."""
        size = size_of(out)
        if self._events >= HELD_EVENTS or self._bytes + size > HELD_BYTES:
            raise Unavailable(
                self.failed or f"{self._events} events wait for Kafka at {self._address}: it takes them too slowly"
            )
        self._events += 1
        self._bytes += size
        self._add(Entry(self._count, self._loop.time(), size, out, future=future, patient=patient))

    def gate(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` after all that was appended before is acknowledged, and before anything later is sent."""
        self._add(Entry(self._count, self._loop.time(), gate=work))

    def _add(self, entry: Entry) -> None:
        self._count += 1
        self._queue.append(entry)
        self._kept.append(entry)
        self._woken.set()

    async def flush(self) -> None:
        """Returns when all that was appended so far is acknowledged."""
        if self._kept:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._flushes.append((self._count, waiter))
            await waiter

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._queue or self._broken:
                if self._broken:
                    await self._renew()
                    continue
                entry = self._queue.popleft()
                if entry.done or await self._do(entry):
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
                self._end(entry)
                return True
            await self._check(entry.out.topic)
            sent = await self._send(entry.out)
        except (KafkaError, OSError, TimeoutError, ParlanceError):
            return False
        sent.add_done_callback(partial(self._sent, entry, self.client))
        if entry.suspect:
            await asyncio.wait([sent])
        return True

    async def _all_before(self, entry: Entry) -> bool:
        """Waits until all that was sent before is acknowledged; False where it has to be sent again first."""
        while self._kept[0] is not entry:
            if self._broken:
                return False
            self._progress.clear()
            await self._progress.wait()
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
            if entry.future is not None and not entry.future.done():
                at_us = found.timestamp * 1000
                entry.future.set_result(
                    Record(out.topic, out.partition, found.offset, at_us, out.key, out.value, out.headers)
                )
            self._end(entry)
        elif client is not self.client:
            return  # it is sent again already
        elif isinstance(exc, _REFUSED) and entry.suspect:
            self._refused(entry, exc)
        else:
            entry.suspect = isinstance(exc, _REFUSED)
            self._break()

    def _refused(self, entry: Entry, exc: BaseException) -> None:
        topic = entry.out.topic if entry.out is not None else ""
        error = Unavailable(f"Kafka at {self._address} refuses an event for {topic} ({type(exc).__name__})")
        if entry.future is not None and not entry.future.done():
            entry.future.set_exception(error)
        else:
            self.failed = error.message
            self._loop.call_exception_handler({"message": "an append failed", "exception": error})
        self._end(entry)
        self._break()

    def _break(self) -> None:
        """What the client gave up leaves a gap in its numbers: it is of no more use."""
        self._broken = True
        self._woken.set()
        self._progress.set()

    def _end(self, entry: Entry) -> None:
        entry.done = True
        if entry.out is not None:
            self._events -= 1
            self._bytes -= entry.size
        while self._kept and self._kept[0].done:
            self._kept.popleft()
        self._progress.set()
        first = self._kept[0].number if self._kept else self._count
        for below, waiter in self._flushes:
            if below <= first and not waiter.done():
                waiter.set_result(None)
        self._flushes = [(below, waiter) for below, waiter in self._flushes if not waiter.done()]

    async def _renew(self) -> None:
        """A new client, and from the first record without an acknowledgement on all of it again."""
        await self._drop()
        try:
            await self.start()
        except Unavailable:
            await asyncio.sleep(RETRY_S)
            return
        self._broken = False
        self._queue = deque(entry for entry in self._kept if not entry.done)

    def expire(self) -> None:
        """Tells those who wait for an acknowledgement that none has come. What has not left yet never does."""
        now = self._loop.time()
        for entry in list(self._kept):
            late = entry.future is not None and not entry.patient and now - entry.at >= PUBLISH_S
            if not late or entry.future is None or entry.future.done():
                continue
            entry.future.set_exception(Unavailable(self._address.silent(now - entry.at, 0)))
            if entry in self._queue:
                self._queue.remove(entry)
                self._end(entry)

    async def stop(self) -> None:
        """`run` has ended. Closes the client; what is not acknowledged is given up."""
        for entry in self._kept:
            if entry.future is not None and not entry.future.done():
                entry.future.set_exception(Unavailable(self.failed or f"Kafka at {self._address} was left"))
        for _, waiter in self._flushes:
            if not waiter.done():
                waiter.set_exception(Unavailable(f"Kafka at {self._address} was left"))
        await self._drop()

    async def _drop(self) -> None:
        """The client's own stop waits for what it holds, for ever where the broker is away."""
        client, self.client = self.client, None
        if client is None:
            return
        if self._events:
            client._closed = True
            try:
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(LEAVE_S):
                        await client._sender.close()
            finally:
                await client.client.close()
        else:
            await closed(client)
