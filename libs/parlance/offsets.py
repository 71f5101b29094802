"""Which offsets of a partition are done: sessions run side by side, so they end out of order."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Held:
    """One ownership of a partition."""

    ownership: int
    open: deque[int] = field(default_factory=deque)
    done: set[int] = field(default_factory=set)


class Offsets:
    """A partition that was lost and came back is delivered from its commit again: what was begun under the ownership
    before counts no more."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], _Held] = {}

    def began(self, topic: str, partition: int, offset: int, ownership: int = 0) -> None:
        held = self._held.get((topic, partition))
        if held is None or held.ownership != ownership:
            held = self._held[topic, partition] = _Held(ownership)
        held.open.append(offset)

    def ended(self, topic: str, partition: int, offset: int, ownership: int = 0) -> int | None:
        """The offset below which all is done, where this moved it."""
        held = self._held[topic, partition]
        if held.ownership != ownership:
            return None
        held.done.add(offset)
        upto = None
        while held.open and held.open[0] in held.done:
            upto = held.open.popleft()
            held.done.discard(upto)
        return None if upto is None else upto + 1
