"""Names of contacts are found where they are written, so that they can be hidden."""

import pytest

from services.context.contacts import Contact
from services.context.spelled import Spelled

CONTACTS = [
    Contact(uid="1", name="Anna Smith", given="Anna", family="Smith", nicknames=["Annie"]),
    Contact(uid="2", name="Will Baker", given="Will", family="Baker"),
    Contact(uid="3", name="Zo\u00eb O'Neil", given="Zo\u00eb", family="O'Neil"),
    Contact(uid="4", name="Jean-Luc van Dam", given="Jean-Luc", family="van Dam"),
    Contact(uid="5", name="\u738b\u4f1f", given="\u738b\u4f1f"),
]
SPELLED = Spelled(CONTACTS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tell Anna Smith that Annie is late.", ["Anna", "Anna Smith", "Annie", "Smith"]),
        ("anna's birthday", ["Anna"]),
        ("What would ZO\u00cb say?", ["Zo\u00eb"]),
        ("(O'Neil), \u201cJean-Luc\u201d \u2014 and van Dam!", ["Jean-Luc", "O'Neil", "van Dam"]),
        ("O\u2019Neil\u2019s house", ["O'Neil"]),
        ("an annual bananna", []),
        ("Smithsonian", []),
        ("", []),
    ],
)
def test_a_name_is_found_as_a_word(text: str, found: list[str]) -> None:
    assert SPELLED.found_in([text]) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("will it rain", []),
        ("Will it rain?", []),
        ("I asked Will about it", ["Will"]),
        ("Will you tell Will that he will be late", []),
        ("Write to Will Baker", ["Baker", "Will", "Will Baker"]),
        ("the baker is closed", []),
    ],
)
def test_a_name_that_is_another_word_too_must_be_written_as_a_name(text: str, found: list[str]) -> None:
    assert SPELLED.found_in([text]) == found


def test_a_name_does_not_reach_from_one_text_into_the_next() -> None:
    assert SPELLED.found_in(["I met Anna", "Smith was there"]) == ["Anna"]
    assert SPELLED.found_in(["I met Anna", "and I saw Smith there"]) == ["Anna", "Smith"]


def test_who_has_no_contacts_names_nobody() -> None:
    assert Spelled([]).found_in(["Anna"]) == []
