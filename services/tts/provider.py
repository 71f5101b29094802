"""The seam to text-to-speech vendors."""

from collections.abc import AsyncGenerator
from typing import Protocol


class Provider(Protocol):
    """A voice, made as `Class(model, **settings)` with the settings of its route; it loads what it needs then (so it
    is made in a thread, once). Raises parlance.errors only."""

    sample_rate_hz: int

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Sound, signed 16 bit little endian mono, in pieces. Does not block the event loop."""
        ...
