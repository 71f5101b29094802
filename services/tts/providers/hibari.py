"""hibari: a natural voice of 14 MB on onnxruntime; a short sentence in 20 to 70 ms on one thread."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from parlance import models
from parlance.errors import InvalidRequest, Unavailable
from services.tts.providers.working import workers

_PIECE_S = 0.1
# Loads what is loaded when first needed, the reader of unknown words too: half a second that no clause waits for.
_WARM_UP = "Hello, this is Parlance at 9:30."


class HibariVoice:
    """`model`: a voice's name; "": the default. Only a voice that is on this machine: none is downloaded.
    `home`: where verified checksums are remembered; "": the weights are loaded unverified."""

    sample_rate_hz = 24000

    def __init__(self, model: str = "", home: str = "", threads: str = "1", **settings: str) -> None:
        """Takes 1 to 2 s. Raises InvalidRequest where the voice is not here, or not what was declared."""
        from hibari import Hibari
        from hibari.voices import DEFAULT, VOICES, voice_path

        if settings:
            raise InvalidRequest(f"hibari does not know: {', '.join(sorted(settings))}")
        if not threads.isdigit() or not int(threads):
            raise InvalidRequest(f"threads must be a number above 0, not '{threads}'")
        name = model or DEFAULT
        here = [known for known in VOICES if _is_here(voice_path, known)]
        if name not in here:
            raise InvalidRequest(f"hibari has no voice '{name}' on this machine; it has: {', '.join(here)}")
        if home:
            models.locate("hibari", Path(home))
        self._voice: Any = Hibari(voice=name, threads=int(threads))
        self._workers = workers("hibari", int(threads))
        list(self._voice.stream(_WARM_UP))

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Sentence by sentence, each as soon as it is there. The same text gives the same sound."""
        sentences: Iterator[Any] = self._voice.stream(text, seed=0)
        piece = 2 * int(self.sample_rate_hz * _PIECE_S)
        loop = asyncio.get_running_loop()
        while (pcm := await loop.run_in_executor(self._workers, _next, sentences)) is not None:
            for start in range(0, len(pcm), piece):
                yield pcm[start : start + piece]


def _is_here(voice_path: Any, name: str) -> bool:
    try:
        return Path(voice_path(name, download_missing=False)).is_file()
    except OSError:
        return False


def _next(sentences: Iterator[Any]) -> bytes | None:
    """The next sentence's samples; None after the last."""
    try:
        sound = next(sentences, None)
    except Exception as exc:
        raise Unavailable(f"hibari could not speak this ({type(exc).__name__})") from exc
    return None if sound is None else bytes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
