"""The audio of a stream, kept only as far back as it may still be asked for."""

import numpy as np
from numpy.typing import NDArray

from services.speech.utterance import FRAME_SAMPLES

_FRAME_BYTES = 2 * FRAME_SAMPLES


class Tape:
    def __init__(self) -> None:
        self._held = bytearray()
        # The frame that `_held` begins with.
        self._from = 0

    def append(self, pcm: bytes) -> None:
        self._held += pcm

    def forget_before(self, frame: int) -> None:
        drop = min(max(0, frame - self._from), len(self._held) // _FRAME_BYTES)
        del self._held[: drop * _FRAME_BYTES]
        self._from += drop

    def take(self, spans: list[tuple[int, int]]) -> NDArray[np.int16]:
        """The samples of these spans [start, end) of frames, one after the other."""
        pieces = [self._held[self._at(start) : self._at(end)] for start, end in spans]
        return np.frombuffer(b"".join(pieces), "<i2").astype(np.int16)

    def _at(self, frame: int) -> int:
        return max(0, frame - self._from) * _FRAME_BYTES
