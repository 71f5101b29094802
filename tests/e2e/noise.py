"""Requests in noise: the same noise every time, as loud as asked for."""

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]


def pink(samples: int, seed: int) -> Sound:
    """Noise whose power falls by 3 dB an octave: rooms, traffic, a fan. RMS 1."""
    white = np.fft.rfft(np.random.default_rng(seed).normal(size=samples))
    white[1:] /= np.sqrt(np.arange(1, len(white)))
    white[0] = 0
    return _normal(np.fft.irfft(white, samples))


def kitchen(samples: int, rate: int, seed: int) -> Sound:
    """A room, a fridge that hums at 100 Hz, and dishes that clink a few times a second. RMS 1."""
    dice, t = np.random.default_rng(seed), np.arange(samples) / rate
    made = pink(samples, seed) + 0.5 * sum(np.sin(2 * np.pi * 100 * n * t) / n for n in range(1, 6))
    for at in dice.uniform(0, t[-1], int(3 * t[-1]) + 1):
        since = t - at
        ring = np.exp(-since * dice.uniform(15, 60)) * np.sin(2 * np.pi * dice.uniform(1500, 5000) * since)
        made += np.where(since > 0, dice.uniform(1, 4) * ring, 0)
    return _normal(made)


def add_noise(speech: Sound, noise: Sound, snr_db: float) -> Sound:
    """`noise` (RMS 1) under `speech`, `snr_db` below the power of what is voiced in it."""
    blocks = speech[: len(speech) // 320 * 320].reshape(-1, 320)
    power = (blocks**2).mean(axis=1)
    voiced = power[power > 0.01 * power.max()].mean()
    made = speech + noise * np.sqrt(voiced / 10 ** (snr_db / 10))
    return np.asarray(made / max(1.0, np.abs(made).max() / 0.99))


def _normal(sound: Sound) -> Sound:
    return np.asarray(sound / np.sqrt((sound**2).mean()))
