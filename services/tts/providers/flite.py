"""flite (Debian: flite), a small formant-free voice that is on most machines: 10 ms a clause, robotic.

It reads the text from a file and writes the sound to one: given a pipe as its input it can wait for ever."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from parlance.audio import resample
from parlance.errors import InvalidRequest, Unavailable

_PIECE = 3200
_LIMIT_S = 20.0


class Flite:
    sample_rate_hz = 16000

    def __init__(self, model: str = "rms", **settings: str) -> None:
        """Raises InvalidRequest where flite or the voice is not here."""
        found = shutil.which("flite")
        if found is None:
            raise InvalidRequest("flite is not installed: install the package 'flite', or choose hibari")
        self._program, self._voice = found, model or "rms"
        voices = _voices(found)
        if self._voice not in voices:
            raise InvalidRequest(f"flite has no voice '{self._voice}'; it has: {', '.join(voices)}")

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        pcm = await asyncio.to_thread(self._spoken, text)
        for start in range(0, len(pcm), _PIECE):
            yield pcm[start : start + _PIECE]

    def _spoken(self, text: str) -> bytes:
        import soundfile

        with tempfile.TemporaryDirectory(prefix="parlance-flite-") as folder:
            said, sound = Path(folder) / "text", Path(folder) / "sound.wav"
            said.write_text(text)
            words = [self._program, "-voice", self._voice, "-f", str(said), "-o", str(sound)]
            try:
                subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_LIMIT_S)
                samples, rate = soundfile.read(sound, dtype="int16")
            except (subprocess.SubprocessError, OSError, soundfile.SoundFileError) as exc:
                raise Unavailable("flite could not speak this") from exc
        pcm = samples if rate == self.sample_rate_hz else resample(samples, rate, self.sample_rate_hz)
        return bytes(pcm.astype("<i2").tobytes())


def _voices(program: str) -> list[str]:
    told = subprocess.run([program, "-lv"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_LIMIT_S)
    return told.stdout.partition(":")[2].split()
