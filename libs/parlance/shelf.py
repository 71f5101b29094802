"""Bytes that are put by for a while, in memory that goes back to the system.

The allocator keeps what thousands of small pieces leave behind when they go. Here they lie side by side in mappings of
their own, and a mapping whose last piece is taken away is given back whole.
"""

import mmap
from array import array
from dataclasses import dataclass, field

_SEGMENT_BYTES = 1 << 18


@dataclass(slots=True, eq=False)
class Segment:
    """`ends`: of each piece, in bytes; a piece begins where the one before ends. `left`: those not taken away."""

    memory: mmap.mmap
    ends: "array[int]" = field(default_factory=lambda: array("L"))
    left: int = 0

    @property
    def used(self) -> int:
        return self.ends[-1] if self.ends else 0

    def read(self, n: int) -> bytes:
        return self.memory[self.ends[n - 1] if n else 0 : self.ends[n]]


class Shelf:
    """Not for several threads."""

    def __init__(self, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._segment_bytes = segment_bytes
        # The one that is filled.
        self._open: Segment | None = None

    def put(self, piece: bytes) -> tuple[Segment, int]:
        """Where it lies: `segment.read(n)` gives it back."""
        segment = self._with_room(len(piece))
        start, n = segment.used, len(segment.ends)
        end = start + len(piece)
        segment.memory[start:end] = piece
        segment.ends.append(end)
        segment.left += 1
        return segment, n

    def take_away(self, segment: Segment) -> None:
        """One of its pieces, once for each."""
        segment.left -= 1
        if segment.left:
            return
        if segment is self._open:
            del segment.ends[:]
        else:
            segment.memory.close()

    def _with_room(self, size: int) -> Segment:
        full = self._open
        if full is not None and full.used + size <= len(full.memory):
            return full
        if full is not None and not full.left:
            full.memory.close()
        self._open = Segment(mmap.mmap(-1, max(size, self._segment_bytes)))
        return self._open
