"""Clauses: what can be spoken on its own, as early as possible."""

import pytest

from services.dialogue.clauses import Clauses


def _cut(pieces: list[str]) -> list[str]:
    clauses = Clauses()
    made = [c for piece in pieces for c in clauses.add(piece)]
    return made + clauses.rest()


@pytest.mark.parametrize(
    ("pieces", "clauses"),
    [
        (["It is late. ", "Go ", "home."], ["It is late.", "Go home."]),
        (["It costs 3.50 euros. Fine."], ["It costs 3.50 euros.", "Fine."]),
        (["Ask Dr. Who about it. ", "Now!"], ["Ask Dr. Who about it.", "Now!"]),
        (
            ["This is a test. It said no. I was the best. Amms. So."],
            ["This is a test.", "It said no.", "I was the best.", "Amms.", "So."],
        ),
        (["See St. Peter vs. Mr. X. ", "Or e.g. this."], ["See St. Peter vs. Mr. X.", "Or e.g. this."]),
        (["One\nTwo"], ["One", "Two"]),
        ([""], []),
        (["   "], []),
    ],
)
def test_sentences_are_cut_where_they_end(pieces: list[str], clauses: list[str]) -> None:
    assert _cut(pieces) == clauses


def test_the_first_piece_of_a_long_sentence_is_said_early() -> None:
    first, *rest = _cut(["The weather in the north of the country, as far as one can tell, is fine."])
    assert first == "The weather in the north of the country,"
    assert " ".join([first, *rest]).endswith("is fine.")


def test_however_the_text_is_cut_into_pieces_the_clauses_are_the_same() -> None:
    text = 'He said "Stop!" and left. Then it rained, i.e. it was wet. The end came at 5:30 p.m. sharp.'
    whole = _cut([text])
    for size in range(1, 12):
        assert _cut([text[i : i + size] for i in range(0, len(text), size)]) == whole


def test_a_text_without_any_mark_is_cut_between_words() -> None:
    clauses = _cut(["word " * 200])
    assert all(len(c) <= 240 for c in clauses)
    assert " ".join(clauses) == ("word " * 200).strip()
