"""What a voice makes of one text."""

from parlance import clock
from parlance.errors import Unavailable
from parlance.patience import Patience
from parlance.v1.voice_pb2 import ClauseSpoken
from services.tts.provider import Provider


class Sound:
    """Pieces of sound, to be closed at the end; `fact` is told how far it came. A voice that hangs is given up."""

    def __init__(self, voice: Provider, text: str, fact: ClauseSpoken, patience_s: float) -> None:
        self.sample_rate_hz = voice.sample_rate_hz
        self._pieces, self._fact, self._patience_s = voice.speak(text), fact, patience_s
        self._patience = Patience()
        self._first: bytes | None = None
        self._sent = 0

    async def begin(self) -> None:
        """Returns with the first piece at hand. Raises Unavailable where the voice makes none."""
        self._first = await self._next()
        if self._first is None:
            raise Unavailable("the voice made no sound of this text")
        self._fact.first_audio_us = clock.now_us() - self._fact.began_at_us

    async def next(self) -> bytes | None:
        """PCM, 16 bits, mono; None after the last piece."""
        pcm, self._first = self._first or await self._next(), None
        if pcm is not None:
            self._sent += len(pcm) // 2
            self._fact.audio_ms = self._sent * 1000 // self.sample_rate_hz
        return pcm

    async def _next(self) -> bytes | None:
        try:
            return await self._patience.next(self._pieces, self._patience_s)
        except TimeoutError as exc:
            raise Unavailable(f"the voice made no sound for {self._patience_s:g} s") from exc

    async def aclose(self) -> None:
        self._patience.close()
        await self._pieces.aclose()
