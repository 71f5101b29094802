"""The model of spoken requests: what it counts, and which reading of an utterance it takes."""

import math
import time
from pathlib import Path

import numpy as np
import pytest

from parlance.errors import Internal
from services.speech import requests, requests_build
from services.speech.requests import NUMBER, Reading, Requests

TEXTS = ["set a timer for ten seconds", "set a timer for five minutes", "what's the time", "set the alarm at seven"]


@pytest.fixture(scope="module")
def model() -> Requests:
    return requests.load()


def built(texts: list[str]) -> Requests:
    made = requests_build.arrays(texts)
    vocabulary = made["vocabulary"].tobytes().decode().split("\n")
    return Requests(vocabulary, [(made[f"keys{n}"].cumsum(), made[f"counts{n}"]) for n in requests.ORDERS])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Set a timer for 10 seconds.", ["set", "a", "timer", "for", NUMBER, "seconds"]),
        ("seven times twelve", [NUMBER, "times", NUMBER]),
        ("twenty-five at 7:30", [NUMBER, "at", NUMBER]),
        ("What\u2019s Anna's number?", ["what", "'s", "anna", "'s", "number"]),
        ("don't someone's", ["don't", "someone", "'s"]),
        ("[...]", []),
    ],
)
def test_a_text_is_words_numbers_and_possessives(text: str, words: list[str]) -> None:
    assert requests.tokens(text)[2:-1] == words


def test_all_that_may_come_next_is_one_in_sum() -> None:
    """In contexts of two known words, of one, and of none."""
    small = built(TEXTS)
    size = len(small._ids)
    for before in (["set", "a"], ["alarm", "a"], ["seconds", requests.UNKNOWN]):
        context = [small._ids[word] for word in before]
        known = [small._probability([*context, word]) for word in range(size)]
        unknown = known[small._ids[requests.UNKNOWN]]
        assert sum(known) + requests._UNSEEN * unknown == pytest.approx(1)


def test_what_was_said_more_often_is_likelier_and_what_never_was_is_possible() -> None:
    small = built(TEXTS)
    assert small.likelihood("set a timer") > small.likelihood("set a alarm") > small.likelihood("set a xylophone")
    assert math.isfinite(small.likelihood("qwertz uiop")) and math.isfinite(small.likelihood(""))


def test_a_reading_that_people_ask_for_is_taken_before_one_that_sounds_a_little_more_like_it(model: Requests) -> None:
    heard = [
        Reading("Set a timer at 14 seconds.", -0.22, 8),
        Reading("Set a timer for 10 seconds.", -0.35, 8),
        Reading("Set a timer of 14 seconds.", -0.49, 8),
    ]
    assert model.choose(heard).text == "Set a timer for 10 seconds."


def test_what_was_clearly_heard_stays_whatever_people_ask_for(model: Requests) -> None:
    """A reading far less likely, and one that is no better as a request."""
    rare = Reading("Set a timer at 14 seconds.", -0.1, 8)
    far = Reading("Set a timer for 10 seconds.", -0.1 - requests.MARGIN - 0.01, 8)
    assert model.choose([rare, far]) is rare
    camping = Reading("Put rice on my camping list.", -0.3, 8)
    assert model.choose([camping, Reading("Put rise on my camping list.", -0.31, 8)]) is camping


def test_dictation_is_left_as_it_was_heard(model: Requests) -> None:
    """Where no reading is worded like a request, what requests are like says nothing."""
    dictated = [Reading("Ambrose Quillfeather smirked wryly.", -0.3, 9), Reading("Ambrose smirked wryly.", -0.4, 6)]
    assert model.likelihood(dictated[1].text) > model.likelihood(dictated[0].text)
    assert model.choose(dictated) is dictated[0]


def test_a_reading_without_words_is_never_chosen(model: Requests) -> None:
    words = Reading("Ask not what your country can do for you.", -0.3, 11)
    assert model.choose([words, Reading("", -0.3, 1)]) is words


def test_the_committed_model_is_what_the_data_gives() -> None:
    made = requests_build.arrays(requests_build.sentences())
    with np.load(requests.FILE, allow_pickle=False) as kept:
        assert sorted(kept) == sorted(made)
        assert all(np.array_equal(kept[name], made[name]) for name in made)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", None])
def test_a_damaged_model_is_told_with_what_to_do(tmp_path: Path, damage: bytes | None) -> None:
    file = tmp_path / "requests.npz"
    file.write_bytes(requests.FILE.read_bytes()[:-1000] if damage is None else damage)
    with pytest.raises(Internal, match="make train"):
        requests.load(file)


def test_choosing_takes_next_to_no_time_of_a_turn(model: Requests) -> None:
    """Of the longest readings that the recogniser gives (224 tokens)."""
    long = Reading("what time is it in tokyo " * 40, -0.3, 224)
    began = time.perf_counter()
    model.choose([long] * 5)
    assert time.perf_counter() - began < 0.5
