"""The classifier's head: from a sentence's embedding to one of our intents, trained by train.py, kept in model/."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parlance.errors import Internal
from services.intent.provider import CHAT, Understanding
from services.intent.slots import extract, usable
from services.intent.softmax import probabilities

FOLDER = Path(__file__).parent / "model"
_WEIGHTS, _LABELS = "head.npy", "labels.json"
_FOUND_BY = "classifier"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """`weights`: (width + 1, intents), the last row the offsets. `threshold`: what an intent must reach, or the text is
    for the language model."""

    labels: tuple[str, ...]
    weights: Floats
    threshold: float

    def classify(self, embedding: Floats) -> tuple[str, float]:
        """The intent and its probability. A text of none of our intents is "chat", with the probability of that."""
        found = probabilities(embedding, self.weights)
        best = int(found.argmax())
        if self.labels[best] != CHAT and found[best] < self.threshold:
            return CHAT, float(1 - found[best])
        return self.labels[best], float(found[best])

    def understand(self, text: str, embedding: Floats) -> Understanding:
        """By meaning alone. An intent that nothing could be done about is for the language model too."""
        intent, confidence = self.classify(embedding)
        slots = extract(intent, text)
        if not usable(intent, slots):
            return Understanding(CHAT, confidence, {}, _FOUND_BY)
        return Understanding(intent, confidence, slots, _FOUND_BY)

    def save(self, folder: Path = FOLDER) -> None:
        folder.mkdir(exist_ok=True)
        np.save(folder / _WEIGHTS, self.weights, allow_pickle=False)
        told = {"threshold": self.threshold, "labels": list(self.labels)}
        (folder / _LABELS).write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def load(folder: Path = FOLDER) -> Head:
    told = json.loads((folder / _LABELS).read_text("utf-8"))
    weights = np.load(folder / _WEIGHTS, allow_pickle=False)
    if weights.dtype != np.float32 or weights.ndim != 2 or weights.shape[1] != len(told["labels"]):
        raise Internal(f"the intent head in {folder.name} is damaged: run 'make train'")
    return Head(tuple(told["labels"]), weights, float(told["threshold"]))
