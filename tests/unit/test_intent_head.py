"""The classifier's head, its training, and the labels that it is taught by."""

from pathlib import Path

import numpy as np
import pytest

from parlance.errors import Internal
from services.intent import head, softmax
from services.intent.labels import CLINC150, HWU64, intent_of


def _clouds() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    middles = np.eye(3, 8, dtype=np.float32)
    labels = np.repeat(np.arange(3), 40)
    return (middles[labels] + rng.normal(0, 0.1, (120, 8))).astype(np.float32), labels


def test_regression_parts_what_can_be_parted_and_is_the_same_each_time() -> None:
    points, labels = _clouds()
    weights = softmax.fit(points, labels, np.ones(len(labels), np.float32))
    assert (softmax.probabilities(points, weights).argmax(axis=1) == labels).all()
    assert np.array_equal(weights, softmax.fit(points, labels, np.ones(len(labels), np.float32)))


def test_what_counts_nothing_teaches_nothing() -> None:
    points, labels = _clouds()
    wrong = np.concatenate([labels, (labels + 1) % 3])
    importance = np.concatenate([np.ones(120), np.zeros(120)]).astype(np.float32)
    weights = softmax.fit(np.vstack([points, points]), wrong, importance)
    assert (softmax.probabilities(points, weights).argmax(axis=1) == labels).all()


def test_an_intent_below_the_threshold_is_for_the_language_model() -> None:
    unsure = head.Head(("chat", "timer.set"), np.array([[0.0, 0.2], [0.0, 0.0]], np.float32), threshold=0.6)
    intent, confidence = unsure.classify(np.ones(1, np.float32))
    assert intent == "chat"
    assert confidence == pytest.approx(1 - 1 / (1 + np.exp(-0.2)), abs=1e-6)


def test_a_sum_without_numbers_is_for_the_language_model() -> None:
    sure = head.Head(("calc.evaluate", "chat"), np.array([[9.0, 0.0], [0.0, 0.0]], np.float32), threshold=0.5)
    one = np.ones(1, np.float32)
    assert sure.understand("do the linear equation", one).intent == "chat"
    assert sure.understand("seven plus two", one).slots == {"expression": "7+2"}


def test_a_head_is_read_as_it_was_saved(tmp_path: Path) -> None:
    made = head.Head(("chat", "stop"), np.arange(6, dtype=np.float32).reshape(3, 2), 0.5)
    made.save(tmp_path)
    read = head.load(tmp_path)
    assert (read.labels, read.threshold) == (made.labels, made.threshold)
    assert np.array_equal(read.weights, made.weights)


def test_a_damaged_head_says_what_to_do(tmp_path: Path) -> None:
    head.Head(("chat", "stop"), np.zeros((3, 2), np.float32), 0.5).save(tmp_path)
    np.save(tmp_path / "head.npy", np.zeros((3, 5), np.float32))
    with pytest.raises(Internal, match="make train"):
        head.load(tmp_path)


@pytest.mark.parametrize(
    ("label", "text", "intent"),
    [
        ("time", "what time is it", "time.now"),
        ("shopping_list_update", "take off fries from the shopping list", "list.remove"),
        ("shopping_list_update", "add carrots and delete potatoes", None),
        ("calendar", "what is there on january 1st on my calendar", "calendar.day"),
        ("weather", "will it rain", "chat"),
    ],
)
def test_labels_of_clinc150_become_our_intents(label: str, text: str, intent: str | None) -> None:
    assert intent_of(label, text, CLINC150) == intent


def test_a_label_of_hwu64_with_two_meanings_is_parted_by_words() -> None:
    assert intent_of("datetime_query", "what is the time in beijing", HWU64) == "time.now"
    assert intent_of("datetime_query", "what is today's date", HWU64) == "date.today"
    assert intent_of("datetime_query", "what season is it", HWU64) is None
