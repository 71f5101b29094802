"""Trains the classifier's head from data/nlu: `python -m services.intent.train [--check]`.

Prints a table of accuracies. `--check` keeps the committed head, and fails where a newly trained one is not within 0.3
points of it. Takes some minutes, most of them for the embeddings.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parlance import config, models
from services.intent import data, head, patterns, softmax
from services.intent.provider import CHAT
from services.intent.providers.encoder import Encoder
from services.intent.slots import extract, usable

Floats = NDArray[np.float32]

MAY_DIFFER = 0.3
# How much a sentence of ours counts beside one of a public set, and what an intent must reach (set on validation).
OURS_COUNTS = 4.0
THRESHOLD = 0.5
_ANCHOR_IN_SCOPE = 0.9


class Embeddings:
    """Each sentence is embedded once, alone, as it will be when it is spoken."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, Floats] = {}

    def __call__(self, texts: list[str]) -> Floats:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._encoder.embed(text)
        return np.stack([self._known[text] for text in texts])


def train(embed: Embeddings) -> head.Head:
    pairs, own = data.training(), len(data.ours())
    intents = sorted({intent for _, intent in pairs})
    labels = np.array([intents.index(intent) for _, intent in pairs], np.int64)
    importance = _importance(labels, own)
    weights = softmax.fit(embed([text for text, _ in pairs]), labels, importance)
    return head.Head(tuple(intents), weights, THRESHOLD)


def _importance(labels: NDArray[np.int64], own: int) -> Floats:
    """Rare intents count more (by the root of how rare), and so do our own sentences, which come last."""
    weights = 1 / np.sqrt(np.bincount(labels)[labels]).astype(np.float32)
    weights[-own:] *= OURS_COUNTS
    return np.asarray(weights, np.float32)


def accuracies(trained: head.Head, embed: Embeddings) -> dict[str, float]:
    """Percent of each set that the head understands rightly, and of ours with patterns and slots as in service."""
    table = {}
    for name, pairs in data.validation().items():
        found = [trained.classify(one)[0] for one in embed([text for text, _ in pairs])]
        table[name] = _percent([intent == truth for intent, (_, truth) in zip(found, pairs, strict=True)])
    spoken = data.held_out()
    meant = [understood(trained, embed, one.text) for one in spoken]
    right = [intent == one.intent for (intent, _), one in zip(meant, spoken, strict=True)]
    table["ours, held out, with patterns"] = _percent(right)
    slots = [one.slots.items() <= told.items() for (_, told), one in zip(meant, spoken, strict=True) if one.slots]
    table["their slots"] = _percent(slots)
    return table


def understood(trained: head.Head, embed: Embeddings, text: str) -> tuple[str, dict[str, str]]:
    """As in service: patterns first, then the head."""
    if (sure := patterns.match(text)) is not None:
        return sure.intent, sure.slots
    intent, _ = trained.classify(embed([text])[0])
    slots = extract(intent, text)
    return (intent, slots) if usable(intent, slots) else (CHAT, {})


def anchor(embed: Embeddings) -> dict[str, float]:
    """The same embeddings and regression on the plain CLINC150 task, to compare with what others publish."""
    pairs, inside, outside = (data.clinc150(split) for split in ("train", "val", "oos_val"))
    names = sorted({label for _, label in pairs})
    labels = np.array([names.index(label) for _, label in pairs], np.int64)
    weights = softmax.fit(embed([text for text, _ in pairs]), labels, np.ones(len(labels), np.float32))
    truth = np.array([names.index(label) for _, label in inside], np.int64)
    points = embed([text for text, _ in inside])
    right = probabilities_argmax(points, weights) == truth
    known, unknown = softmax.energy(points, weights), softmax.energy(embed([text for text, _ in outside]), weights)
    lines = np.quantile(known, np.linspace(0, 0.3, 301))
    line = max(at for at in lines if (right & (known >= at)).mean() >= _ANCHOR_IN_SCOPE)
    return {
        "CLINC150 val, 150 intents": _percent(list(right)),
        "out-of-scope recall at 90 % in-scope": _percent(list(unknown < line)),
    }


def probabilities_argmax(points: Floats, weights: Floats) -> NDArray[np.int64]:
    return np.asarray(softmax.probabilities(points, weights).argmax(axis=1), np.int64)


def _percent(right: list[bool]) -> float:
    return round(100 * sum(map(bool, right)) / len(right), 2)


def _print(title: str, table: dict[str, float]) -> None:
    print(title)
    for name, percent in table.items():
        print(f"  {name:40} {percent:6.2f} %")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed head instead of replacing it")
    check = parser.parse_args().check
    home = Path(config.load().home)
    embed = Embeddings(Encoder(models.locate("minilm-l6-v2", home)))
    trained = train(embed)
    table = accuracies(trained, embed)
    _print("our intents", table)
    if not check:
        trained.save()
        _print("the plain task, as an anchor", anchor(embed))
        return 0
    committed = accuracies(head.load(), embed)
    _print("committed", committed)
    apart = {name: abs(table[name] - committed[name]) for name in table if abs(table[name] - committed[name]) > MAY_DIFFER}
    _print("further apart than 0.3 points" if apart else "the committed head is reproduced", apart)
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
