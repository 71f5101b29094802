"""Any file and any stream become 16 kHz mono, and what cannot is told why."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parlance.audio import LONGEST_S, Resampler, decode, resample, to_pcm, wav, write_wav
from parlance.errors import InvalidRequest

JFK = Path(__file__).parents[2] / "examples" / "audio" / "jfk.flac"


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


def file(samples: NDArray[np.float64], rate: int, format: str = "WAV", subtype: str | None = None) -> bytes:
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=format, subtype=subtype)
    return held.getvalue()


def pitch(pcm: NDArray[np.int16], rate: int = 16000) -> float:
    """The strongest frequency, Hz."""
    middle = pcm[len(pcm) // 4 : -len(pcm) // 4]
    return float(np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle))


@pytest.mark.parametrize(
    ("rate", "format", "subtype"),
    [
        (8000, "WAV", "ULAW"),
        (8000, "WAV", "ALAW"),
        (11025, "WAV", "PCM_U8"),
        (16000, "WAV", "PCM_16"),
        (22050, "WAV", "FLOAT"),
        (44100, "FLAC", "PCM_24"),
        (44100, "OGG", "VORBIS"),
        (48000, "OGG", "OPUS"),
        (96000, "WAV", "PCM_32"),
        (192000, "WAV", "DOUBLE"),
    ],
)
def test_a_file_of_any_kind_and_rate_sounds_the_same(rate: int, format: str, subtype: str) -> None:
    pcm = decode(file(tone(rate), rate, format, subtype))
    assert pcm.dtype == np.int16
    assert len(pcm) == pytest.approx(16000, abs=400)
    assert pitch(pcm) == pytest.approx(440, abs=4)
    assert np.abs(pcm[4000:-4000]).max() == pytest.approx(16384, rel=0.1)


def test_channels_are_mixed() -> None:
    stereo = np.stack([tone(96000), np.zeros(96000)], axis=1)
    pcm = decode(file(stereo, 96000))
    assert len(pcm) == pytest.approx(16000, abs=2)
    assert np.abs(pcm[4000:-4000]).max() == pytest.approx(8192, rel=0.02)


def test_a_real_recording_keeps_its_length() -> None:
    assert len(decode(JFK.read_bytes())) == 176_000


def test_louder_than_full_scale_is_clipped_and_not_wrapped() -> None:
    pcm = decode(file(3 * tone(16000), 16000, subtype="FLOAT"))
    assert pcm.max() == 32767 and pcm.min() == -32768


def test_what_is_not_a_number_is_silence() -> None:
    assert to_pcm(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)).tolist() == [0, 32767, -32768, 16384]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"what time is it\n" * 50, "it is text"),
        ("grüße ".encode() * 100, "it is text"),
        (b"RIFF\x00\x00", "not audio"),
        (bytes(range(256)) * 10, "not audio"),
        (file(np.zeros(0), 16000), "no audio"),
    ],
)
def test_what_is_no_audio_is_told_with_what_to_send(content: bytes, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as error:
        decode(content)
    assert "send a WAV, FLAC or OGG file" in error.value.message


@pytest.mark.parametrize("share", [0.9, 0.5, 0.05])
def test_a_flac_that_was_cut_off_is_refused_and_says_so(share: float) -> None:
    content = JFK.read_bytes()
    with pytest.raises(InvalidRequest, match=r"damaged or was cut off.*of 11\.0 s; copy or record it again"):
        decode(content[: int(len(content) * share)])


@pytest.mark.parametrize("format", ["WAV", "OGG"])
def test_a_wav_or_ogg_that_was_cut_off_gives_what_is_there(format: str) -> None:
    # With a noise, so that an OGG has several pages: it is read page by page.
    noise = 0.05 * np.random.default_rng(1).standard_normal(20 * 16000)
    content = file(tone(16000, 20) + noise, 16000, format)
    pcm = decode(content[: len(content) // 2])
    assert 16000 < len(pcm) < 11 * 16000
    assert pitch(pcm) == pytest.approx(440, abs=4)


def test_a_wav_of_unknown_length_is_read_to_its_end() -> None:
    """What a program writes that cannot go back to fill in the length."""
    content = bytearray(wav(to_pcm(tone(16000).astype(np.float32))))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    assert len(decode(bytes(content))) == 16000


def test_a_sample_rate_that_no_device_has_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="1000 Hz is not supported"):
        decode(file(tone(1000), 1000))
    with pytest.raises(InvalidRequest, match="0 Hz"):
        Resampler(0)
    with pytest.raises(InvalidRequest, match="0 channels"):
        Resampler(16000, 0)


def test_a_small_file_of_endless_silence_does_not_fill_the_memory() -> None:
    content = file(np.zeros((LONGEST_S + 10) * 4000), 4000, "FLAC")
    assert len(content) < 300_000
    with pytest.raises(InvalidRequest, match="longer than 30 minutes"):
        decode(content)


def test_twenty_minutes_are_read() -> None:
    assert len(decode(file(np.zeros(1200 * 8000), 8000, "FLAC"))) == 1200 * 16000


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.sampled_from([8000, 16000, 44100, 48000]))
def test_a_stream_in_pieces_of_any_size_is_the_stream_whole(sizes: list[int], rate: int) -> None:
    stereo = np.repeat(to_pcm(tone(rate, 0.2).astype(np.float32)), 2).tobytes()

    def through(pieces: list[bytes]) -> bytes:
        resampler = Resampler(rate, 2)
        return b"".join(resampler.push(piece) for piece in pieces) + resampler.flush()

    pieces, at = [], 0
    for size in sizes:
        pieces.append(stereo[at : at + size])
        at += size
    pieces.append(stereo[at:])
    in_pieces, whole = (np.frombuffer(through(p), "<i2") for p in (pieces, [stereo]))
    assert len(in_pieces) == len(whole) == pytest.approx(3200, abs=2)
    assert np.abs(in_pieces.astype(int) - whole).max() <= 2


def test_a_streams_second_utterance_begins_anew() -> None:
    resampler = Resampler(48000)
    pcm = to_pcm(tone(48000, 0.5).astype(np.float32)).tobytes()
    first = resampler.push(pcm) + resampler.flush()
    assert resampler.push(pcm) + resampler.flush() == first


def test_sixteen_kilohertz_mono_passes_untouched() -> None:
    resampler = Resampler(16000)
    assert resampler.push(b"\x01\x02\x03") + resampler.push(b"\x04") == b"\x01\x02\x03\x04"


def test_a_written_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    pcm = to_pcm(tone(24000).astype(np.float32))
    write_wav(tmp_path / "a.wav", pcm, 24000)
    back, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate == 24000 and (back == pcm).all()


def test_resampling_keeps_pitch_and_length() -> None:
    pcm = resample(to_pcm(tone(24000).astype(np.float32)), 24000, 16000)
    assert len(pcm) == 16000 and pitch(pcm) == pytest.approx(440, abs=4)
