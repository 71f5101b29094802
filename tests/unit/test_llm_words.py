"""An answer that breaks off and is gone on with by somebody else: no word twice, none lost."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.llm.words import Diverges, Seam, Words

TEXT = (
    "Rain fell on the old harbour that night, and nobody who had had a boat there slept. In the morning, at half past "
    "six, three of the boats were gone; the fourth lay on its side between the pier and the lighthouse, with 12.5 "
    "metres of rope around its mast. \u201cThat,\u201d said the keeper, \u201cis the end of it.\u201d"
)


def pieces(text: str, sizes: list[int]) -> list[str]:
    made, at = [], 0
    for size in sizes:
        made.append(text[at : at + size])
        at += size
    return [*made, text[at:]]


sizes = st.lists(st.integers(1, 12), max_size=60)


def told_until(text: str, parts: list[str]) -> str:
    words = Words(held=True)
    said = "".join(words.add(part) for part in parts)
    words.drop()
    assert said == words.told and text.startswith(said)
    return said


def joined(told: str, parts: list[str]) -> str:
    seam = Seam(told)
    return told + "".join([*(seam.add(part) for part in parts), seam.rest()])


@given(sizes)
def test_until_the_end_only_whole_words_are_told_and_at_the_end_all_of_them(cuts: list[int]) -> None:
    words = Words(held=True)
    for part in pieces(TEXT, cuts):
        words.add(part)
        assert not words.told or words.told[-1].isspace()
    words.rest()
    assert words.told == TEXT


@pytest.mark.parametrize("how", ["goes on", "begins again", "says the last words again"])
@given(at=st.integers(0, len(TEXT)), cuts=sizes, again=st.integers(1, 10))
def test_whoever_goes_on_no_word_comes_twice_and_none_is_lost(how: str, at: int, cuts: list[int], again: int) -> None:
    told = told_until(TEXT, pieces(TEXT[:at], [7] * (at // 7)))
    words, n = TEXT.split(), len(told.split())
    assume(again > 1 or told.split()[-1:] not in (["had"], ["12.5"]))  # what may be meant twice stays: below
    begins = {"goes on": n, "begins again": 0, "says the last words again": max(0, n - again)}[how]
    whole = joined(told, pieces(" ".join(words[begins:]), cuts))
    assert whole.split() == words


def test_who_begins_again_and_says_something_else_is_not_joined() -> None:
    seam = Seam("Rain fell on the old harbour that night, ")
    with pytest.raises(Diverges):
        for part in ("Rain fell ", "on the old ", "castle, and "):
            seam.add(part)


@pytest.mark.parametrize(
    ("told", "on", "whole"),
    [
        ("He said that he had ", "had enough of it.", "He said that he had had enough of it."),
        ("It is very, ", "very cold.", "It is very, very cold."),
        ("Call 555 ", "555 1234.", "Call 555 555 1234."),
        ("Das ist sehr ", "sehr gut.", "Das ist sehr sehr gut."),
    ],
)
def test_a_word_that_is_meant_twice_stays_twice(told: str, on: str, whole: str) -> None:
    assert joined(told, [on]) == whole


@pytest.mark.parametrize("on", ["harbour at night.", "harbour", "harbour lay still."])
def test_any_other_word_that_comes_again_alone_was_told_before(on: str) -> None:
    assert joined("Rain fell on the harbour ", [on]).split() == ["Rain", "fell", "on", "the", *on.split()]


def test_where_nobody_could_go_on_nothing_is_held_back() -> None:
    words = Words(held=False)
    assert [words.add(part) for part in ("It ", "is sun", "ny")] == ["It ", "is sun", "ny"]
    assert words.rest() == ""


def test_a_space_is_put_between_what_was_told_whole_and_what_follows() -> None:
    assert joined("It is", ["sunny."]) == "It is sunny."
    assert joined("It is ", [" sunny."]) == "It is sunny."
