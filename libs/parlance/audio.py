"""Audio in and out: whatever comes becomes 16 kHz mono signed 16 bit, which is all that speech knows.

Files: WAV (PCM, float, A-law and mu-law), FLAC, OGG (Vorbis, Opus), MP3, AIFF, as far as libsndfile reads them.
A WAV or OGG that was cut off gives what is there; a FLAC that was cut off is refused, since its decoder loses sync
and nobody could say what is missing.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from parlance.errors import InvalidRequest

SAMPLE_RATE_HZ = 16_000
# Speech cuts a turn long before; this bounds what a small file of a long silence may unpack to (58 MB).
LONGEST_S = 1800
_LOWEST_HZ, _HIGHEST_HZ, _MOST_CHANNELS = 4_000, 384_000, 32
_BLOCK = 65_536
_KINDS = "a WAV, FLAC or OGG file"

Pcm = NDArray[np.int16]
Samples = NDArray[np.float32]


class Resampler:
    """A stream of PCM (s16le, interleaved) of any rate and channels into 16 kHz mono s16le.

    Raises InvalidRequest for a rate or number of channels that no device has."""

    def __init__(self, sample_rate_hz: int, channels: int = 1) -> None:
        _check_shape(sample_rate_hz, channels)
        self._channels = channels
        self._rest = b""
        self._stream = None if sample_rate_hz == SAMPLE_RATE_HZ else _stream(sample_rate_hz)

    def push(self, pcm: bytes) -> bytes:
        """What is ready. Any number of bytes may come: a sample that is split waits for its other half."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % (2 * self._channels)
        self._rest = pcm[whole:]
        return self._convert(pcm[:whole], last=False)

    def flush(self) -> bytes:
        """The rest, where the audio ends. The next `push` begins anew."""
        self._rest = b""
        ready = self._convert(b"", last=True)
        if self._stream is not None:
            self._stream.clear()
        return ready

    def _convert(self, pcm: bytes, *, last: bool) -> bytes:
        if self._channels == 1 and self._stream is None:
            return pcm
        frames = np.frombuffer(pcm, "<i2").reshape(-1, self._channels).astype(np.float32) / 32768
        mono = frames.mean(axis=1, dtype=np.float32)
        return to_pcm(mono if self._stream is None else self._stream.resample_chunk(mono, last=last)).tobytes()


def decode(content: bytes) -> Pcm:
    """The samples of an audio file, 16 kHz mono. Takes about 5 ms per second of 96 kHz stereo: call it in a thread.

    Raises InvalidRequest for what is no audio, breaks off, or is longer than LONGEST_S."""
    if not content:
        raise InvalidRequest(f"the file is empty (0 bytes): send {_KINDS}")
    try:
        opened = soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.SoundFileError, TypeError) as exc:
        raise InvalidRequest(f"this is not audio that can be read{_looks_like(content)}: send {_KINDS}") from exc
    with opened as file:
        _check_shape(file.samplerate, file.channels)
        stream = None if file.samplerate == SAMPLE_RATE_HZ else _stream(file.samplerate)
        pieces = [to_pcm(mono if stream is None else stream.resample_chunk(mono)) for mono in _blocks(file)]
        if stream is not None:
            pieces.append(to_pcm(stream.resample_chunk(np.zeros(0, np.float32), last=True)))
    whole: Pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    if not len(whole):
        raise InvalidRequest(f"the file holds no audio (0 samples): send {_KINDS} with sound in it")
    return whole


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """Mono samples at another rate."""
    _check_shape(from_hz, 1)
    _check_shape(to_hz, 1)
    if from_hz == to_hz:
        return pcm
    return to_pcm(soxr.resample(to_samples(pcm), from_hz, to_hz, quality="HQ"))


def to_pcm(samples: Samples) -> Pcm:
    """Samples in -1..1 as 16 bit; louder ones are clipped, what is not a number is silence."""
    scaled = np.rint(np.nan_to_num(samples, posinf=1.0, neginf=-1.0) * 32768.0)
    pcm: Pcm = np.clip(scaled, -32768, 32767).astype(np.int16)
    return pcm


def to_samples(pcm: Pcm) -> Samples:
    """16 bit samples as floats in -1..1."""
    return pcm.astype(np.float32) / np.float32(32768)


def wav(pcm: Pcm, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """A mono 16 bit WAV file."""
    held = io.BytesIO()
    soundfile.write(held, pcm, sample_rate_hz, format="WAV", subtype="PCM_16")
    return held.getvalue()


def write_wav(path: Path | str, pcm: Pcm, sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Raises OSError where the place cannot be written."""
    Path(path).write_bytes(wav(pcm, sample_rate_hz))


def _blocks(file: soundfile.SoundFile) -> Iterator[Samples]:
    """Mono blocks, so that twenty minutes of 96 kHz stereo never lie in memory whole."""
    read = 0
    while True:
        try:
            block = file.read(_BLOCK, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as exc:
            raise _broken(read, file) from exc
        if not len(block):
            break
        read += len(block)
        if read > LONGEST_S * file.samplerate:
            raise InvalidRequest(f"the audio is longer than {LONGEST_S // 60} minutes: send a shorter piece")
        yield block.mean(axis=1, dtype=np.float32)
    if file.format == "FLAC" and read < file.frames:
        raise _broken(read, file)


def _broken(read: int, file: soundfile.SoundFile) -> InvalidRequest:
    seconds, rate = read / file.samplerate, file.samplerate
    told = f" of {file.frames / rate:.1f} s" if 0 < file.frames < LONGEST_S * rate else ""
    return InvalidRequest(
        f"the {file.format} file is damaged or was cut off: it cannot be read beyond {seconds:.1f} s{told}; "
        "copy or record it again"
    )


def _stream(sample_rate_hz: int) -> soxr.ResampleStream:
    return soxr.ResampleStream(sample_rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")


def _check_shape(sample_rate_hz: int, channels: int) -> None:
    if not _LOWEST_HZ <= sample_rate_hz <= _HIGHEST_HZ:
        raise InvalidRequest(
            f"a sample rate of {sample_rate_hz} Hz is not supported: send {_LOWEST_HZ} to {_HIGHEST_HZ} Hz"
        )
    if not 1 <= channels <= _MOST_CHANNELS:
        raise InvalidRequest(f"{channels} channels are not supported: send 1 to {_MOST_CHANNELS}")


def _looks_like(content: bytes) -> str:
    """What a stranger probably did: a text file with an audio file's name."""
    head = content[:512]
    if b"\0" in head:
        return ""
    try:
        head.decode()
    except UnicodeDecodeError as exc:
        # A character that the cut at 512 bytes split is still text.
        if exc.start < len(head) - 3:
            return ""
    return " (it is text)"
