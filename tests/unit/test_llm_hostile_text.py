"""A model that loses itself writes the same thousands of times: nobody is kept waiting by what is looked for in it."""

import time

import pytest

from parlance.v1.llm_service_pb2 import AnswerResponse
from parlance.v1.state_pb2 import Persona
from services.dialogue.clauses import Clauses
from services.dialogue.replying import Replying
from services.llm.words import Words

# As long as an answer may be.
LONG = 20_000
# Seconds of CPU; the slowest of them takes a tenth on an idle machine, and took minutes.
PATIENCE_S = 3.0
TEXTS = {
    "dots": "." * LONG,
    "marks": "?!" * (LONG // 2),
    "spaces": " " * LONG,
    "lines": "\n" * LONG,
    "word": "x" * LONG,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("size", [7, LONG])
def test_what_is_spoken_is_cut_in_time(text: str, size: int) -> None:
    began, replying = time.process_time(), Replying(Persona(name="Nova"), "why")
    for at in range(0, LONG, size):
        for _ in replying.take(AnswerResponse(text=text[at : at + size])):
            pass
    assert [clause.text for clause in replying.rest()] == ([text.strip()] if text.strip() else [])
    assert time.process_time() - began < PATIENCE_S


def test_a_long_word_before_a_short_one_is_told_in_time() -> None:
    began, words = time.process_time(), Words(held=True)
    assert words.add("x" * LONG + " y") == "x" * LONG + " "
    assert words.rest() == "y" and time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Wait... what? Yes!! ", ["Wait...", "what?", "Yes!!"]),
        ('He said "no." Then (so.) she left. ', ['He said "no."', "Then (so.)", "she left."]),
        ("It is 3.5 of them e.g. this one. Well. ", ["It is 3.5 of them e.g. this one.", "Well."]),
        ("Mr. Bean sat. ", ["Mr. Bean sat."]),
    ],
)
def test_sentences_end_where_they_did(text: str, clauses: list[str]) -> None:
    for size in (1, 3, 100):
        made, splitter = [], Clauses()
        for at in range(0, len(text), size):
            made += splitter.add(text[at : at + size])
        assert made + splitter.rest() == clauses
