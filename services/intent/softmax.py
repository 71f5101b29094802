"""Multinomial logistic regression in numpy: convex, so every machine ends at the same place."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_STEPS = 300
_RATE = 0.5
_DECAYS = (0.9, 0.999)


def probabilities(points: Floats, weights: Floats) -> Floats:
    """Rows of class probabilities; `weights` is (width + 1, classes), its last row the offsets."""
    scores = points @ weights[:-1] + weights[-1]
    grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True), np.float32)


def fit(points: Floats, labels: NDArray[np.int64], importance: Floats, penalty: float = 3e-6) -> Floats:
    """Weights (width + 1, classes) by full-batch Adam; `importance` says how much each row counts."""
    classes = int(labels.max()) + 1
    truth = np.eye(classes, dtype=np.float32)[labels]
    share = (importance / importance.sum())[:, None].astype(np.float32)
    weights = np.zeros((points.shape[1] + 1, classes), np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, _STEPS + 1):
        error = (probabilities(points, weights) - truth) * share
        slope = np.vstack([points.T @ error + penalty * weights[:-1], error.sum(axis=0)])
        first = _DECAYS[0] * first + (1 - _DECAYS[0]) * slope
        second = _DECAYS[1] * second + (1 - _DECAYS[1]) * slope**2
        rate = _RATE * (1 - step / (_STEPS + 1)) * np.sqrt(1 - _DECAYS[1] ** step) / (1 - _DECAYS[0] ** step)
        weights = (weights - rate * first / (np.sqrt(second) + 1e-8)).astype(np.float32)
    return weights


def energy(points: Floats, weights: Floats) -> Floats:
    """How much a row looks like any class at all: the logarithm of its summed scores."""
    scores = points @ weights[:-1] + weights[-1]
    top = scores.max(axis=-1)
    return np.asarray(top + np.log(np.exp(scores - top[..., None]).sum(axis=-1)), np.float32)
