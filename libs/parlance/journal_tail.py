"""A partition as the loop knows it: where it ends, its newest records, and who reads it how far."""

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from parlance.bus import Record

if TYPE_CHECKING:
    from parlance.journal_subscription import JournalSubscription

TAIL_RECORDS = 256
TAIL_BYTES = 512 << 10


class Partition:
    """`head`: the next offset as far as the loop knows. The tail has no gaps and is bounded."""

    __slots__ = ("_bytes", "_tail", "cursors", "head", "number", "topic")

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.head = 0
        self.cursors: list[Cursor] = []
        self._tail: deque[Record] = deque()
        self._bytes = 0

    def push(self, record: Record) -> None:
        tail = self._tail
        if record.offset != self.head:
            self._clear()
        self.head = record.offset + 1
        tail.append(record)
        self._bytes += len(record.value)
        while self._bytes > TAIL_BYTES or len(tail) > TAIL_RECORDS:
            self._bytes -= len(tail.popleft().value)

    def jump(self, head: int) -> None:
        """Others have appended up to `head`."""
        if head > self.head:
            self._clear()
            self.head = head

    def since(self, offset: int) -> list[Record]:
        """The records from `offset` on; [] where the tail does not reach back so far."""
        tail = self._tail
        if not tail or offset < tail[0].offset:
            return []
        return list(islice(tail, offset - tail[0].offset, None))

    def _clear(self) -> None:
        self._tail.clear()
        self._bytes = 0


class Cursor:
    """How far one subscription has read one partition: `next` is the offset it takes next."""

    __slots__ = ("next", "ownership", "partition", "reader")

    def __init__(self, partition: Partition, reader: "JournalSubscription", ownership: int) -> None:
        self.partition = partition
        self.reader = reader
        self.ownership = ownership
        self.next = 0

    @property
    def behind(self) -> bool:
        return self.next < self.partition.head
