"""Trains the classifier's head from data/nlu: `python -m services.intent.train [--check]`.

Prints a table of accuracies. `--check` keeps the committed head, and fails where a newly trained one is not within 0.3
points of it. Takes some minutes, most of them for the embeddings.
"""

import argparse
import sys
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from parlance import config, models
from services.intent import data, head, patterns, softmax
from services.intent.provider import CHAT, Understanding
from services.intent.providers.encoder import Encoder

Floats = NDArray[np.float32]

MAY_DIFFER = 0.3
# How much a sentence of ours counts (one of an intent with 100 public sentences: 0.1), and what an intent must reach.
OWN_COUNTS = 0.3
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
    """Rare intents of the public sets count more, by the root of how rare. Our own sentences, which come last, all
    count the same: an open question that resembles a request is as much worth as the request."""
    weights = 1 / np.sqrt(np.bincount(labels)[labels])
    weights[-own:] = OWN_COUNTS
    return np.asarray(weights, np.float32)


def accuracies(trained: head.Head, embed: Embeddings) -> dict[str, float]:
    """Percent of each set understood rightly: patterns and head as in service, and the head alone on our own."""
    table = {}
    for name, pairs in data.validation().items():
        table[name] = _percent(understood(trained, embed, text).intent == truth for text, truth in pairs)
    spoken = data.held_out()
    meant = [(understood(trained, embed, one.text), one) for one in spoken]
    table["  of them open questions"] = _percent(got.intent == CHAT for got, one in meant if one.intent == CHAT)
    table["  their slots"] = _percent(one.slots.items() <= got.slots.items() for got, one in meant if one.slots)
    alone = [trained.classify(embed([one.text])[0])[0] == one.intent for one in spoken]
    table["  by the head alone"] = _percent(alone)
    return table


def understood(trained: head.Head, embed: Embeddings, text: str) -> Understanding:
    """As in service: patterns first, then the head."""
    return patterns.match(text) or trained.understand(text, embed([text])[0])


def anchor(embed: Embeddings) -> dict[str, float]:
    """The same embeddings and regression on the plain CLINC150 task, to compare with what others publish."""
    pairs, inside, outside = (data.clinc150(split) for split in ("train", "val", "oos_val"))
    names = sorted({label for _, label in pairs})
    labels = np.array([names.index(label) for _, label in pairs], np.int64)
    weights = softmax.fit(embed([text for text, _ in pairs]), labels, np.ones(len(labels), np.float32))
    truth = np.array([names.index(label) for _, label in inside], np.int64)
    points = embed([text for text, _ in inside])
    right = softmax.probabilities(points, weights).argmax(axis=1) == truth
    known, unknown = softmax.energy(points, weights), softmax.energy(embed([text for text, _ in outside]), weights)
    lines = np.quantile(known, np.linspace(0, 0.3, 301))
    line = max(at for at in lines if (right & (known >= at)).mean() >= _ANCHOR_IN_SCOPE)
    return {
        "CLINC150 val, 150 intents": _percent(right),
        "out-of-scope recall at 90 % in-scope": _percent(unknown < line),
    }


def _percent(right: Iterable[bool]) -> float:
    return round(100 * float(np.mean(list(right))), 2)


def _print(title: str, table: dict[str, float]) -> None:
    print(title)
    for name, percent in table.items():
        print(f"  {name:40} {percent:6.2f} %")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed head instead of replacing it")
    check = parser.parse_args().check
    embed = Embeddings(Encoder(models.locate("minilm-l6-v2", config.load().home)))
    trained = train(embed)
    table = accuracies(trained, embed)
    _print("our intents, patterns and head as in service", table)
    if check:
        return _compared(table, accuracies(head.load(), embed))
    trained.save()
    _print("the plain task of 150 intents, as an anchor", anchor(embed))
    return 0


def _compared(table: dict[str, float], committed: dict[str, float]) -> int:
    _print("the committed head", committed)
    apart = {n: table[n] - committed[n] for n in table if abs(table[n] - committed[n]) > MAY_DIFFER}
    _print("further apart than 0.3 points: run 'make train'" if apart else "the committed head is reproduced", apart)
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
