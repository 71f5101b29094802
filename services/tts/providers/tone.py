"""A tone as long as the text would take to say: for tests and load. No words."""

from collections.abc import AsyncGenerator

import numpy as np

from parlance.errors import InvalidRequest

_HZ = 440.0


class Tone:
    sample_rate_hz = 16000

    def __init__(self, model: str = "", home: str = "", ms_per_char: str = "60", **settings: str) -> None:
        """Raises InvalidRequest for a length that is no number."""
        if settings:
            raise InvalidRequest(f"tone does not know: {', '.join(sorted(settings))}")
        try:
            self._ms_per_char = float(ms_per_char)
        except ValueError as exc:
            raise InvalidRequest(f"tone: ms_per_char is a number of milliseconds, not '{ms_per_char}'") from exc

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        samples = int(len(text) * self._ms_per_char * self.sample_rate_hz / 1000)
        piece = self.sample_rate_hz // 10
        for start in range(0, samples, piece):
            t = np.arange(start, min(samples, start + piece)) / self.sample_rate_hz
            yield (np.sin(2 * np.pi * _HZ * t) * 8000).astype("<i2").tobytes()
