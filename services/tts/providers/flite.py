"""flite (Debian: flite), a small voice that is on most machines: 10 ms a clause, robotic.

Text and sound pass through files in memory: as an argument everybody on the machine could read what is said, a pipe it
cannot seek in, and a file on disk would outlive a crash."""

import asyncio
import io
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from parlance.audio import resample
from parlance.errors import InvalidRequest, Unavailable
from services.tts.providers.working import workers

_PIECE = 3200
_LIMIT_S = 20.0


class Flite:
    sample_rate_hz = 16000

    def __init__(self, model: str = "rms", home: str = "", **settings: str) -> None:
        """Raises InvalidRequest where flite or the voice is not here."""
        if settings:
            raise InvalidRequest(f"flite does not know: {', '.join(sorted(settings))}")
        found = shutil.which("flite")
        if found is None:
            raise InvalidRequest("flite is not installed: install flite (Debian: apt install flite), or choose hibari")
        self._program, self._voice = found, model or "rms"
        self._workers = workers("flite")
        voices = _voices(found)
        if self._voice not in voices:
            raise InvalidRequest(f"flite has no voice '{self._voice}'; it has: {', '.join(voices)}")

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """The whole text at once; a cancel leaves nothing behind but some milliseconds of work in a thread."""
        pcm = await asyncio.get_running_loop().run_in_executor(self._workers, self._spoken, text)
        for start in range(0, len(pcm), _PIECE):
            yield pcm[start : start + _PIECE]

    def _spoken(self, text: str) -> bytes:
        import soundfile

        with _in_memory("text") as said, _in_memory("sound") as sound:
            os.pwrite(said, text.encode(), 0)
            words = [self._program, "-voice", self._voice, "-f", _path(said), "-o", _path(sound)]
            try:
                subprocess.run(
                    words,
                    check=True,
                    capture_output=True,
                    stdin=subprocess.DEVNULL,
                    pass_fds=(said, sound),
                    timeout=_LIMIT_S,
                )
                made = os.pread(sound, os.fstat(sound).st_size, 0)
                samples, rate = soundfile.read(io.BytesIO(made), dtype="int16")
            except (subprocess.SubprocessError, OSError, soundfile.SoundFileError) as exc:
                # Without the cause's text: it holds the command and what it printed.
                raise Unavailable(f"flite could not speak this ({type(exc).__name__})") from None
        return bytes(resample(samples, rate, self.sample_rate_hz).astype("<i2").tobytes())


@contextmanager
def _in_memory(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(f"parlance-{name}")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _voices(program: str) -> list[str]:
    told = subprocess.run([program, "-lv"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_LIMIT_S)
    return told.stdout.partition(":")[2].split()
