"""The sentences to learn from and to be measured on, from data/nlu. No test split of any set is here or used."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.intent.labels import CLINC150, HWU64, Rule, intent_of
from services.intent.provider import CHAT

Pairs = list[tuple[str, str]]

FOLDER = Path(__file__).parents[2] / "data" / "nlu"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence of our own held-out set: what it means, and the slots that must be found."""

    intent: str
    text: str
    slots: dict[str, str]


def clinc150(split: str) -> Pairs:
    """(text, label) of "train", "val", "oos_train" or "oos_val"."""
    told = json.loads((FOLDER / "clinc150.json").read_text("utf-8"))
    return [(text, label) for text, label in told[split]]


def columns(folder: str) -> Pairs:
    """(text, label) of a set kept as two files, one line a sentence: "hwu64/train"."""
    texts, labels = ((FOLDER / folder / name).read_text("utf-8").splitlines() for name in ("seq.in", "label"))
    return list(zip(texts, labels, strict=True))


def ours() -> Pairs:
    """(text, intent) of our own training sentences."""
    return [(text, intent) for intent, text in _rows("parlance.tsv")]


def held_out() -> list[Spoken]:
    return [
        Spoken(intent, text, dict(slot.split("=", 1) for slot in slots.split(";") if slot))
        for intent, text, slots in _rows("parlance_heldout.tsv")
    ]


def in_our_terms(pairs: Pairs, rules: dict[str, Rule]) -> Pairs:
    """The same with our intents; sentences that would teach something wrong left out."""
    found = ((text, intent_of(label, text, rules)) for text, label in pairs)
    return [(text, intent) for text, intent in found if intent is not None]


def training() -> Pairs:
    """Everything that the head learns from, ours last."""
    others = in_our_terms(clinc150("train"), CLINC150) + in_our_terms(columns("hwu64/train"), HWU64)
    return others + [(text, CHAT) for text, _ in clinc150("oos_train")] + ours()


def validation() -> dict[str, Pairs]:
    """Sentences of each set that were not learned from, by the name of the set."""
    return {
        "CLINC150 val, our intents": in_our_terms(clinc150("val"), CLINC150),
        "CLINC150 out-of-scope val": [(text, CHAT) for text, _ in clinc150("oos_val")],
        "HWU64 valid, our intents": in_our_terms(columns("hwu64/valid"), HWU64),
        "SNIPS valid (never trained on)": [(text, CHAT) for text, _ in columns("snips/valid")],
        "ours, held out": [(one.text, one.intent) for one in held_out()],
    }


def _rows(name: str) -> Iterator[list[str]]:
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        yield line.split("\t")
