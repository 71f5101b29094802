"""What waits in line for Kafka's acknowledgement, in call order, and who waits until all of it has come."""

import asyncio
from collections import deque

from parlance.errors import Unavailable
from parlance.kafka_entry import Entry


class Kept:
    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.count = 0
        """So many there have been; the number of the next one."""
        self.events = 0
        self.bytes = 0
        self.progress = asyncio.Event()
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []

    def add(self, entry: Entry) -> None:
        self.count += 1
        self.entries.append(entry)
        if entry.out is not None:
            self.events += 1
            self.bytes += entry.size

    def end(self, entry: Entry) -> None:
        entry.done = True
        if entry.out is not None:
            self.events -= 1
            self.bytes -= entry.size
        while self.entries and self.entries[0].done:
            self.entries.popleft()
        self.progress.set()
        if self._flushes:
            self._look()

    def _look(self) -> None:
        first = self.entries[0].number if self.entries else self.count
        for below, waiter in self._flushes:
            if below <= first and not waiter.done():
                waiter.set_result(None)
        self._flushes = [(below, waiter) for below, waiter in self._flushes if not waiter.done()]

    async def flush(self) -> None:
        """Returns when all that was appended so far is acknowledged."""
        if self.entries:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._flushes.append((self.count, waiter))
            await waiter

    def leave(self, told: str, left: str) -> None:
        """Tells all who wait that nothing comes any more: an event's sender `told`, the others `left`."""
        for entry in self.entries:
            if entry.future is not None and not entry.future.done():
                entry.future.set_exception(Unavailable(told))
        for _, waiter in self._flushes:
            if not waiter.done():
                waiter.set_exception(Unavailable(left))
