"""Spoken requests in noise, and by another voice."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.e2e.conftest import Platform
from tests.e2e.noise import Sound, add_noise, kitchen, pink
from tests.e2e.spoken import REQUESTS, Request, import_examples, say

SNR_DB = 12
DRAWS = [(noise, seed) for noise in ("pink", "kitchen") for seed in range(3)]


@pytest.fixture(scope="module", autouse=True)
def _personal(platform: Platform) -> None:
    """And milk on the list, so that what is misheard of one request does not spoil another."""
    import_examples(platform)
    platform.json("ask", "put milk on my shopping list")


def _in_noise(request: Request, noise: str, seed: int, path: Path) -> Path:
    sound, rate = soundfile.read(request.file)
    return _write(path, _noisy(sound, rate, noise, seed), rate)


def _noisy(sound: Sound, rate: int, noise: str, seed: int) -> Sound:
    made = pink(len(sound), seed) if noise == "pink" else kitchen(len(sound), rate, seed)
    return add_noise(sound, made, SNR_DB)


def _write(path: Path, sound: Sound, rate: int) -> Path:
    soundfile.write(path, sound, rate)
    return path


def test_in_each_noise_five_of_seven_are_answered_rightly(platform: Platform, tmp_path: Path) -> None:
    right: list[int] = []
    for noise, seed in DRAWS:
        told = [(r, say(platform, _in_noise(r, noise, seed, tmp_path / "noisy.wav"))) for r in REQUESTS]
        right.append(sum(r.is_right(t) for r, t in told))
        missed = [f"{t['transcript']!r} -> {t['reply']!r}" for r, t in told if not r.is_right(t)]
        print(f"{noise} {seed}: {right[-1]} of 7; missed: {missed}")
    print(f"in noise of {SNR_DB} dB: {np.mean(right):.2f} of 7")
    assert np.mean(right) >= 5 and min(right) >= 4, right  # another processor's arithmetic may lose one


@pytest.mark.parametrize("noise", ["", "kitchen"])
def test_another_voice_is_understood_too(platform: Platform, tmp_path: Path, noise: str) -> None:
    hibari = pytest.importorskip("hibari")
    voice, right = hibari.Hibari(threads=1), 0
    for request in REQUESTS:
        sound = np.concatenate(list(voice.stream(request.words, seed=0)))
        sound = _noisy(sound, 24000, noise, 0) if noise else sound
        right += request.is_right(say(platform, _write(tmp_path / "asked.wav", sound, 24000)))
    assert right >= (5 if noise else 7)
