"""Under one's own brand a model that introduces itself names neither its vendor nor itself."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.v1.llm_service_pb2 import AnswerBegan, AnswerResponse
from parlance.v1.state_pb2 import Persona
from services.dialogue.brand import Brand, unnamed
from services.dialogue.replying import Replying

NOVA = Persona(name="Nova", own_brand=True)
VENDORS = re.compile(r"claude|anthropic|chat ?gpt|gpt|open ?ai|gemini|google|deepmind", re.I)
INTRODUCTIONS = [
    "I am Claude, made by Anthropic.",
    "I'm Claude! How can I help?",
    "I\u2019m ChatGPT, a large language model trained by OpenAI.",
    "Hello there, and welcome back to you, I am Gemini, a model by Google.",
    "My name is Claude Haiku 4.5, and Anthropic created me.",
    "This is Claude speaking.",
    "Claude here. What can I do?",
    "As Claude, I cannot see pictures.",
    "You are talking to Claude, an assistant from Anthropic.",
    "I run on gpt-5.2-mini.",
    "I'm a large language model, trained by Google DeepMind.",
    "As an AI assistant by OpenAI, I try to be brief.",
    "Claude can help with that.",
    "ChatGPT is an AI assistant made by OpenAI.",
    "It's Anthropic's Claude that you hear.",
    "Model: claude-haiku-5-5. Vendor: Anthropic.",
    "Google's Gemini, at your service!",
    "Created by Anthropic.",
    "An AI from OpenAI is what I am.",
    "We at OpenAI call me GPT-5.",
    "Anthropic built me. They are in San Francisco.",
]


def spoken(text: str, cuts: list[int], asked: str = "hello") -> str:
    bounds = [0, *sorted(c % (len(text) + 1) for c in cuts), len(text)]
    replying = Replying(NOVA, asked)
    parts = [AnswerResponse(began=AnswerBegan(provider="p:m", speaks_as="Claude"))]
    parts += [AnswerResponse(text=text[a:b]) for a, b in pairwise(bounds)]
    said = [clause.text for part in parts for clause in replying.take(part)]
    return " ".join([*said, *(clause.text for clause in replying.rest())])


@given(st.lists(st.sampled_from(INTRODUCTIONS), min_size=1, max_size=4), st.lists(st.integers(0, 999), max_size=30))
def test_a_model_that_introduces_itself_names_nobody_however_its_stream_is_cut(
    sentences: list[str], cuts: list[int]
) -> None:
    said = spoken(" ".join(sentences), cuts)
    assert not VENDORS.search(said), said


@pytest.mark.parametrize("asked", ["Who are you?", "hello", "Are you Claude or ChatGPT?", "What model are you?"])
@pytest.mark.parametrize("text", [t for t in INTRODUCTIONS if re.search(r"\b(?:I|I'm|I\u2019m|my|me)\b", t, re.I)])
def test_in_the_first_person_it_does_so_whatever_it_was_asked(text: str, asked: str) -> None:
    assert not VENDORS.search(spoken(text, [], asked))


def test_what_is_said_instead_can_be_said() -> None:
    assert spoken("I am Claude, made by Anthropic.", []) == "I am Nova, made by the people behind Nova."
    assert Brand(Persona(own_brand=True), "").hide("I'm Claude.") == "I'm your assistant."


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("who painted the water lilies", "Claude Monet painted them. I like them."),
        ("what are the star signs", "Aries, Taurus and Gemini are the first three."),
        ("who made ChatGPT", "ChatGPT was made by OpenAI."),
        ("can you recommend companies that make phones", "Google and Microsoft make some."),
        ("what is Claude", "Claude is an AI assistant made by Anthropic."),
        ("name companies that work on language models", "OpenAI, Anthropic and Google are among them."),
    ],
)
def test_what_it_says_of_others_stays(asked: str, text: str) -> None:
    assert spoken(text, [], asked) == text


@pytest.mark.parametrize(
    "told",
    [
        "no language model can answer this (openai:gpt-6-luna: it failed)",
        "the variable ANTHROPIC_API_KEY is not set where llm runs",
        "nobody answers as google:gemini-3.8-flash",
        "Claude said nothing for 8 s",
    ],
)
def test_a_failure_names_no_vendor_to_a_device(told: str) -> None:
    assert "parlance llm explain" in unnamed(told) and not re.search(
        "openai|anthropic|google|claude", unnamed(told), re.I
    )


def test_a_failure_of_ones_own_is_told_as_it_is() -> None:
    assert unnamed("the language model said nothing for 8 s") == "the language model said nothing for 8 s"
