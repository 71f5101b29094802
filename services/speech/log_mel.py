"""Log-mel features as Whisper was trained on: 80 bands, 25 ms windows every 10 ms, of 16 kHz audio.

Source: "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022), section 2.2; the bands
follow Slaney's Auditory Toolbox (linear below 1 kHz, logarithmic above, equal area).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
HOP = 160
_WINDOW = 400
_BANDS = 80
_BREAK_HZ = 1000.0
_LINEAR_HZ_PER_MEL = 200.0 / 3
_LOG_STEP = float(np.log(6.4)) / 27


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features [80, len(samples) // 160] of samples in -1..1."""
    padded = np.pad(samples, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][: len(samples) // HOP]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=1)) ** 2
    mel = _filters() @ power.T.astype(np.float32)
    logs = np.log10(np.maximum(mel, 1e-10))
    # Whisper sees 80 dB below the loudest point and no further.
    logs = np.maximum(logs, logs.max() - 8.0)
    return np.ascontiguousarray((logs + 4.0) / 4.0, dtype=np.float32)


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float32]:
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    return window.astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float32]:
    """[80, 201]: triangles between neighbouring band edges, each of area 1."""
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ)
    edges = _to_hz(np.linspace(0.0, _to_mel(SAMPLE_RATE_HZ / 2), _BANDS + 2))
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    scaled: NDArray[np.float64] = triangles * (2.0 / (right - left))
    return scaled.astype(np.float32)


def _to_mel(hz: float) -> float:
    """Only used above the break, where the scale is logarithmic."""
    return _BREAK_HZ / _LINEAR_HZ_PER_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _BREAK_HZ / _LINEAR_HZ_PER_MEL
    return np.where(mels < knee, mels * _LINEAR_HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mels - knee)))
