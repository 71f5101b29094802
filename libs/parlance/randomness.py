"""Random bytes, drawn from the system many at a time: asking it lets go of the interpreter, and getting that back from
the journal's thread takes ten times as long as what the bytes are for."""

import os
from collections import deque

_PIECES = 256


class Random:
    """Pieces of `size` random bytes, each given once, also after a fork. Any thread may ask."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._drawn: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._drawn.clear)

    def take(self) -> bytes:
        while True:
            try:
                return self._drawn.popleft()
            except IndexError:
                block = os.urandom(self._size * _PIECES)
                self._drawn.extend(block[at : at + self._size] for at in range(0, len(block), self._size))
