from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.errors import InvalidRequest
from services.context import contacts, imports
from services.context.contacts import Contact
from services.context.names import Names, name_in

EXAMPLE = Path("examples/contacts.vcf").read_bytes()


def read(text: str, encoding: str = "utf-8") -> list[Contact | str]:
    return list(contacts.read(text.encode(encoding)))


def one(text: str, encoding: str = "utf-8") -> Contact:
    (made,) = read(f"BEGIN:VCARD\r\n{text}\r\nEND:VCARD\r\n", encoding)
    assert isinstance(made, Contact)
    return made


@pytest.fixture
def people() -> dict[str, Contact]:
    return {c.given: c for c in contacts.read(EXAMPLE) if isinstance(c, Contact)}


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("Anna", "contacts.phone", "Anna Kowalska's mobile number is 020 7946 0123, from your contacts."),
        ("Ben", "contacts.phone", "Ben Carter's number is +1 212 555 0142, from your contacts."),
        ("Chloe", "contacts.phone", "Chloe Dubois' number is 01 99 00 12 34, from your contacts."),
        ("David", "contacts.phone", "David Okafor's number is 0113 496 0177, from your contacts."),
        ("Ben", "contacts.email", "Ben Carter's email address is ben at example dot com, from your contacts."),
        ("Ben", "contacts.birthday", "Ben Carter's birthday is November 24, from your contacts."),
        ("Anna", "contacts.birthday", "Anna Kowalska's birthday is May 3, 1990, from your contacts."),
        (
            "Chloe",
            "contacts.address",
            "Chloe Dubois' address is 3 rue des Lilas, Lyon, 69001, France, from your contacts.",
        ),
        ("David", "contacts.birthday", "I have no birthday for David Okafor in your contacts."),
        ("Ben", "contacts.address", "I have no address for Ben Carter in your contacts."),
    ],
)
def test_vcards_of_every_version_answer_with_their_source(
    people: dict[str, Contact], name: str, query: str, said: str
) -> None:
    assert contacts.tell(query, people[name]).say == said


def test_the_kind_of_number_that_is_asked_for_is_told(people: dict[str, Contact]) -> None:
    told = contacts.tell("contacts.phone", people["Anna"], "what is Anna's work number")
    assert told.say == "Anna Kowalska's work number is 020 7946 0456, from your contacts."
    assert told.lines == ["mobile: 020 7946 0123", "work: 020 7946 0456"]


def test_an_old_card_in_another_encoding_is_read() -> None:
    made = one(
        "VERSION:2.1\r\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=F6rg\r\nTEL;HOME;VOICE:555 0199"
    )
    assert (made.name, made.phones) == ("Jörg Müller", [["home", "555 0199"]])
    assert one("VERSION:3.0\r\nFN:Jörg Müller", "cp1252").name == "Jörg Müller"
    assert one("VERSION:3.0\r\nFN:Jörg Müller", "utf-16").name == "Jörg Müller"


def test_folded_lines_groups_and_escapes_are_read() -> None:
    made = one(
        'VERSION:3.0\r\nFN:Anna \r\n Kowalska\r\nN:Kowalska\\;Nowak;Anna;;;\r\nitem1.TEL;TYPE="cell,voice":020\r\n'
        "ADR;TYPE=work:;;1 High St\\nFloor 2;Bath;;;\r\nBDAY;VALUE=date:1990-02-30"
    )
    assert (made.name, made.family, made.phones) == ("Anna Kowalska", "Kowalska;Nowak", [["mobile", "020"]])
    assert (made.addresses, made.birthday) == ([["work", "1 High St, Floor 2, Bath"]], "")


def test_a_broken_card_is_told_and_skipped_and_the_others_are_kept() -> None:
    parsed = imports.parse(
        "contacts",
        b"BEGIN:VCARD\nFN:Anna\nUID:1\nEND:VCARD\nBEGIN:VCARD\nTEL:1\nEND:VCARD\nBEGIN:VCARD\nFN:Ben\nrubbish\nEND:VCARD\n"
        b"BEGIN:VCARD\nFN:Cut off\nBEGIN:VCARD\nFN:Dora\nEND:VCARD\nBEGIN:VCARD\nFN:Eve\n",
    )
    assert len(parsed.rows) == 2 and parsed.skipped == 4
    assert parsed.problems == [
        "line 5: the card names nobody (FN or N is needed)",
        "line 8: line 10 is no 'NAME:value'",
        "line 12: the card has no END:VCARD",
        "line 17: the card has no END:VCARD",
    ]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x00\x01\x02", b"\xff\xfeh\x00i", b"BEGIN:VCALENDAR\nEND:VCALENDAR"]
)
def test_what_is_no_vcard_file_is_refused_with_what_is_expected(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"\.vcf"):
        imports.parse("contacts", content)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    list(contacts.read(b"BEGIN:VCARD\n" + content + b"\nEND:VCARD"))


PEOPLE = (
    *("Anna Kowalska", "Ben Carter", "Chloe Dubois", "David Okafor", "Priya Raman", "Tomás Herrera", "George Miller"),
    *("Yuki Tanaka", "Sarah O'Neill", "Michael Stone"),
)


def names(*people: str) -> Names:
    return Names([Contact(name, name, name.split()[0], name.split()[-1]) for name in people or PEOPLE])


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        *(("N", "Anna"), ("N is", "Anna"), ("Andy", "Anna"), ("Andy's", "Anna"), ("Ana", "Anna"), ("Hannah", "Anna")),
        *(("Anna's", "Anna"), ("Anne", "Anna"), ("ennis", "Anna"), ("Anna Kowalska", "Anna"), ("Kowalska's", "Anna")),
        *(("Cloe", "Chloe"), ("Prea", "Priya"), ("Thomas", "Tomás"), ("Jorge", "George"), ("you key", "Yuki")),
        *(("Sara", "Sarah"), ("Mike", "Michael"), ("Bend", "Ben"), ("Dave", "David")),
    ],
)
def test_a_name_is_found_by_how_it_sounds(heard: str, meant: str) -> None:
    assert [c.given for c in names().match(heard)] == [meant]


@pytest.mark.parametrize(
    "heard", ["Zebediah", "Bob", "Oscar", "Tim", "Alice", "Frank", "Lisa", "John", "banana", "", "?"]
)
def test_another_name_is_not_found(heard: str) -> None:
    assert names().match(heard) == []


def test_the_exact_name_goes_before_one_that_sounds_alike() -> None:
    assert [c.name for c in names("Anna Kowalska", "Andy Brown").match("Andy's")] == ["Andy Brown"]
    assert [c.name for c in names("Anna Kowalska", "Andrew Brown").match("Andy")] == ["Andrew Brown"]


def test_two_who_are_equally_likely_are_both_meant_unless_the_whole_name_is_said() -> None:
    both = names("Anna Kowalska", "Anna Smith", "Ben Carter")
    assert [c.name for c in both.match("Anna")] == ["Anna Kowalska", "Anna Smith"]
    assert [c.name for c in both.match("Anna Smith")] == ["Anna Smith"]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("what is Anna's number", "anna's"),
        ("What is N is number?", "n is"),
        ("What is Andy's member?", "andy's"),
        ("what's the phone number of Anna Kowalska", "anna kowalska"),
        ("where does David live", "david"),
        ("call Anna", "anna"),
        ("what time is it", ""),
    ],
)
def test_the_name_in_a_question_is_where_names_stand(asked: str, name: str) -> None:
    assert name_in(asked) == name


def test_a_name_is_found_anywhere_in_a_question_where_it_is_clear() -> None:
    assert [c.given for c in names().asked_for("", "what is the number of my friend Sarah")] == ["Sarah"]
    assert names().asked_for("", "what is the number of the fire brigade") == []
