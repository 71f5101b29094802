"""What a question to the language model is for: told by its words, and only where they are clear."""

import json
from pathlib import Path

import pytest

from parlance.v1.turn_pb2 import Capability
from services.intent.capability import capability_of

DATA = Path(__file__).parents[2] / "data" / "nlu"


def name_of(text: str) -> str:
    return Capability.Name(capability_of(text)).removeprefix("CAPABILITY_").lower()


@pytest.mark.parametrize(
    ("capability", "texts"),
    [
        ("web", ["What's the news today?", "any headlines", "what's happening in Kyiv", "the latest on the strike"]),
        ("web", ["Who won the game last night?", "What's the score of the Lakers game?", "when do the Mets play"]),
        ("web", ["What is Apple's stock price?", "price of bitcoin", "how much does a PlayStation cost"]),
        ("web", ["When does the library open?", "is the pharmacy open on Sunday", "opening hours of IKEA"]),
        ("web", ["Look up the population of Oslo.", "Search the web for a good bakery", "Google the lyrics please"]),
        ("web", ["Will it rain tomorrow?", "What's the weather in Rome?", "is there traffic on the bridge"]),
        ("web", ["Who is the current president of France?", "what time does it close", "find a cafe near me"]),
        ("web", ["Summarise the latest news", "what's the newest Python version", "how many euros in 20 dollars"]),
        ("code", ["Write a Python function that reverses a string", "fix this bug", "how do I read a file in Rust?"]),
        ("code", ["What does this regex do?", "Explain recursion", "write a script for the latest stock prices"]),
        ("code", ["I get a syntax error", "how do I undo a git commit?", "what is a null pointer"]),
        ("summary", ["Summarise this: it was a long day.", "give me the gist of it", "sum up what I said", "TL;DR"]),
        ("chat", ["Why is the sky blue?", "Tell me a joke", "who was Cleopatra", "Who won the world cup in 1998?"]),
        ("chat", ["What should I cook tonight?", "write me a poem about rain", "my python ate a mouse", "I am cold"]),
        ("chat", ["what is an area code", "I like traffic lights", "That is good news to me", "explain inflation"]),
        ("chat", ["What are you doing right now?", "how many legs does a spider have", ""]),
    ],
)
def test_a_questions_words_tell_what_it_is_for(capability: str, texts: list[str]) -> None:
    assert {text: name_of(text) for text in texts} == dict.fromkeys(texts, capability)


def test_a_long_text_is_told_by_its_beginning() -> None:
    assert name_of("Summarise this: " + "The price of bitcoin rose. " * 100) == "web"
    assert name_of("Summarise this: " + "It was a long day. " * 40 + "The latest news came in.") == "summary"


@pytest.mark.parametrize(
    ("labels", "least", "most"),
    [
        ({"weather", "traffic", "exchange_rate"}, 0.75, 1.0),
        # What a model knows by itself.
        ({"definition", "fun_fact", "meaning_of_life", "tell_joke", "translate", "spelling", "cook_time"}, 0.0, 0.03),
        (
            {"who_made_you", "what_are_your_hobbies", "how_old_are_you", "thank_you", "calories", "nutrition_info"},
            0.0,
            0.01,
        ),
    ],
)
def test_on_sentences_of_a_public_set(labels: set[str], least: float, most: float) -> None:
    sets = json.loads((DATA / "clinc150.json").read_text())
    texts = [text for text, label in [*sets["train"], *sets["val"]] if label in labels]
    web = sum(name_of(text) == "web" for text in texts)
    assert len(texts) >= 100 * len(labels)
    assert least <= web / len(texts) <= most
