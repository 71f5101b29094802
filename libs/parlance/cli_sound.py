"""The reply's sound at the command line: kept, and written to a file. Loads numpy only where it must."""

import wave
from pathlib import Path

from parlance.errors import InvalidRequest


def check(path: Path) -> None:
    """Raises InvalidRequest where the sound could not be written, before anything is said."""
    if path.is_dir() or not path.parent.is_dir():
        why = "it is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise InvalidRequest(f"{path} cannot be written: {why}")


class Sound:
    """16 bit mono, at the rate of its first piece."""

    def __init__(self) -> None:
        self.rate = 0
        self._pcm = bytearray()

    @property
    def seconds(self) -> float:
        return len(self._pcm) / (2 * self.rate) if self.rate else 0.0

    def add(self, pcm: bytes, rate: int) -> bytes:
        """Keeps a piece; gives it at the rate of the first one."""
        self.rate = self.rate or rate
        if rate != self.rate:
            pcm = _resampled(pcm, rate, self.rate)
        self._pcm += pcm
        return pcm

    def save(self, path: Path) -> None:
        """Raises InvalidRequest where the place cannot be written."""
        try:
            _write(path, self._pcm, self.rate)
        except OSError as exc:
            raise InvalidRequest(f"{path} cannot be written: {exc.strerror}") from exc


def _write(path: Path, pcm: bytes | bytearray, rate: int) -> None:
    with path.open("wb") as made, wave.open(made, "wb") as file:
        file.setparams((1, 2, rate or 16000, 0, "NONE", ""))
        file.writeframes(pcm)


def _resampled(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    import numpy as np

    from parlance.audio import resample

    return bytes(resample(np.frombuffer(pcm, np.int16), from_hz, to_hz).tobytes())
