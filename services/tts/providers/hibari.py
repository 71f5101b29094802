"""hibari: a natural voice of 14 MB on onnxruntime; a short sentence in 20 to 70 ms on one thread."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import numpy as np

from parlance.errors import InvalidRequest, Unavailable

_PIECE_S = 0.1


class HibariVoice:
    sample_rate_hz = 24000

    def __init__(self, model: str = "", **settings: str) -> None:
        """`model`: the voice's name; "": its default. Warms it up: the first sentence costs half a second more."""
        from hibari import Hibari

        try:
            self._voice: Any = Hibari(**({"voice": model} if model else {}), threads=1)
        except (KeyError, ValueError, OSError) as exc:
            raise InvalidRequest(f"hibari has no voice '{model}'; leave it out for its default") from exc
        list(self._voice.stream("Hello."))

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Sentence by sentence, each as soon as it is there."""
        sentences: Iterator[Any] = self._voice.stream(text, seed=0)
        piece = int(self.sample_rate_hz * _PIECE_S)
        while (sound := await asyncio.to_thread(_next, sentences)) is not None:
            pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2")
            for start in range(0, len(pcm), piece):
                yield pcm[start : start + piece].tobytes()


def _next(sentences: Iterator[Any]) -> Any:
    try:
        return next(sentences, None)
    except Exception as exc:
        raise Unavailable(f"hibari could not speak this ({type(exc).__name__})") from exc
