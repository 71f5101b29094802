"""Which offsets of a partition are done: sessions run side by side, so they end out of order."""

from collections import deque


class Offsets:
    def __init__(self) -> None:
        self._open: dict[tuple[str, int], deque[int]] = {}
        self._done: dict[tuple[str, int], set[int]] = {}

    def began(self, topic: str, partition: int, offset: int) -> None:
        self._open.setdefault((topic, partition), deque()).append(offset)

    def ended(self, topic: str, partition: int, offset: int) -> int | None:
        """The offset below which all is done, where this moved it."""
        at = (topic, partition)
        queue, done = self._open[at], self._done.setdefault(at, set())
        done.add(offset)
        upto = None
        while queue and queue[0] in done:
            upto = queue.popleft()
            done.discard(upto)
        return None if upto is None else upto + 1
