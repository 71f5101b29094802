"""What a partner may not see is not in what it gets, and is in what its answer becomes."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parlance.v1.llm_service_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    AnswerRequest,
    Citation,
    Identifier,
    ToolCall,
)
from services.llm.identifiers import STEMS, finder
from services.llm.pseudonyms import Putter, hide

ANNA = Identifier(kind="person", text="Anna Smith")
NAMES = ("Anna", "Anna Smith", "Smith Jones", "Zoë", "王伟", "O'Neil", "Person", "221B", "PERSON_1", '"Bo" Li')
PLACEHOLDER = re.compile(rf"(?:{'|'.join(STEMS)})\\?_[0-9]+", re.I)

KNOWN = ("a@b.example", "+49 30 1234567", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "10.0.0.1")
LIKE = (
    "anna",
    "ANNA",
    "Zoe\u0308",
    "PERSON_",
    "PERSON_1",
    "person_2",
    "Person\\_3",
    "NAME_1",
    "1",
    "s",
    "'s",
    "_",
    "P",
)
words = st.sampled_from([*NAMES, *KNOWN, *LIKE, " ", "."])
texts = st.one_of(st.lists(words, max_size=12).map("".join), st.lists(words, max_size=12).map(" ".join), st.text())
names = st.lists(
    st.builds(Identifier, kind=st.sampled_from(["person", "place", "dog"]), text=st.sampled_from(NAMES) | st.text())
)


def asked(*texts: str, identifiers: list[Identifier] | None = None) -> AnswerRequest:
    request = AnswerRequest(identifiers=identifiers or [])
    for text in texts:
        request.messages.add(role=ROLE_USER, text=text)
    return request


def user_texts(request: AnswerRequest) -> list[str]:
    return [m.text for m in request.messages if m.role == ROLE_USER]


def in_pieces(putter: Putter, text: str, cuts: list[int]) -> str:
    bounds = [0, *sorted(c % (len(text) + 1) for c in cuts), len(text)]
    said = [putter.add(text[a:b]) for a, b in pairwise(bounds)]
    return "".join(said) + putter.rest()


@given(texts, texts, names, st.lists(st.integers(0, 500), max_size=20))
@example("Anna2 and anna, ANNA and aNNa", "", [Identifier(kind="person", text="Anna")], [3])
@example("Person_1 met PERSON_2 and Anna", "", [Identifier(kind="person", text="Anna")], [])
@example("王伟先生", "", [Identifier(kind="person", text="王伟")], [])
def test_what_is_hidden_is_put_back_however_the_answer_is_cut(
    first: str, second: str, identifiers: list[Identifier], cuts: list[int]
) -> None:
    hidden, putter = hide(asked(first, second, identifiers=identifiers))
    assert [putter.whole(t) for t in user_texts(hidden)] == [first, second]
    assert [in_pieces(putter, t, cuts) for t in user_texts(hidden)] == [first, second]


@given(texts, names)
def test_nothing_of_the_identifiers_goes_out(text: str, identifiers: list[Identifier]) -> None:
    hidden, _ = hide(asked(text, identifiers=identifiers))
    find = finder(identifiers)
    assert not hidden.identifiers
    typed = {m.group() for m in PLACEHOLDER.finditer(text)}
    for out in user_texts(hidden):
        # What stands between the placeholders that were put in.
        ours = (m.span() for m in PLACEHOLDER.finditer(out) if m.group() not in typed)
        at = 0
        for start, end in [*ours, (len(out), len(out))]:
            assert not find(out[at:start])
            at = end


@given(texts, names)
def test_one_identifier_is_one_placeholder_throughout(text: str, identifiers: list[Identifier]) -> None:
    hidden, _ = hide(asked(text, text, identifiers=identifiers))
    first, second = user_texts(hidden)
    assert first == second


def test_the_cases_of_a_name_are_the_cases_of_one_placeholder() -> None:
    hidden, _ = hide(asked("Anna Smith, anna smith and ANNA\nSMITH: Anna Smith's", identifiers=[ANNA]))
    assert user_texts(hidden) == ["PERSON_1, Person_1 and person_1: PERSON_1's"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Write to anna.smith+x@mail.example.org.", "Write to EMAIL_1."),
        ("Call +49 (0)30 1234567, please", "Call PHONE_1, please"),
        ("Call (415) 555-2671 or 415-555-2671 or 415.555.2672", "Call PHONE_1 or PHONE_2 or PHONE_3"),
        ("Call 020 7946 0958 or 555-0123", "Call PHONE_1 or PHONE_2"),
        ("Pay DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432 now", "Pay IBAN_1 and IBAN_2 now"),
        ("My card is 4111 1111 1111 1111 12/29", "My card is CARD_1 12/29"),
        ("5 4111-1111-1111-1111", "5 CARD_1"),
        ("Ping 192.168.0.17 or fe80::1ff:fe23:4567:890a", "Ping IP_1 or IP_2"),
        ("I live at 221 Baker Street, London.", "I live at ADDRESS_1, London."),
        ("Nach Hauptstraße 5, bitte", "Nach ADDRESS_1, bitte"),
    ],
)
def test_what_is_known_by_its_look_is_hidden(text: str, seen: str) -> None:
    hidden, putter = hide(asked(text))
    assert user_texts(hidden) == [seen]
    assert putter.whole(seen) == text


@pytest.mark.parametrize(
    "text",
    [
        "What is 12345678 plus 3?",
        "On 2026-11-30 at 12:30:45 it was 3.5 degrees.",
        "Version 1.2.3 has 10,000,000 users and std::vector",
        "It is 5 minutes down the road, a 2 way street.",
        "1234567890123456 times 2",
        "@anna is no address",
    ],
)
def test_what_says_of_nobody_who_he_is_stays(text: str) -> None:
    hidden, putter = hide(asked(text))
    assert list(hidden.messages) == list(asked(text).messages)
    assert putter.hidden == 0


def test_what_a_user_typed_that_looks_like_a_placeholder_is_given_to_nobody() -> None:
    hidden, putter = hide(asked("Is person_1 or PERSON\\_2 in Anna Smith's house?", identifiers=[ANNA]))
    assert user_texts(hidden) == ["Is person_1 or PERSON\\_2 in PERSON_3's house?"]
    assert putter.whole("PERSON_1, Person_2, person_3") == "PERSON_1, Person_2, Anna Smith"


@pytest.mark.parametrize(
    "said", ["PERSON_1", "person_1", "Person_1", "PERSON\\_1", "PERSON 1", "PERSON-1", "PERSON_01", "PERSON 001"]
)
def test_a_model_may_write_a_placeholder_in_another_way(said: str) -> None:
    _, putter = hide(asked("Who is Anna Smith?", identifiers=[ANNA]))
    for cut in range(len(said) + 4):
        assert in_pieces(putter, f"So {said}, PERSON: 1.", [cut]) == "So Anna Smith, PERSON: 1."
    assert putter.whole(f"**{said}**, {said}'s house, {said}2") == f"**Anna Smith**, Anna Smith's house, {said}2"


@pytest.mark.parametrize("end", range(1, len("PERSON_1") + 1))
def test_a_stream_that_breaks_off_in_a_placeholder_says_nothing_of_it(end: int) -> None:
    _, putter = hide(asked("Who is Anna Smith?", identifiers=[ANNA]))
    said = putter.add("It is " + "PERSON_1"[:end])
    assert said == "It is "
    assert putter.rest(cut=True) == ("Anna Smith" if end == len("PERSON_1") else "")
    assert putter.rest() == ""


def test_a_stream_that_breaks_off_in_a_number_names_nobody_else() -> None:
    people = [Identifier(kind="person", text=f"Name{chr(ord('a') + n)}") for n in range(11)]
    _, putter = hide(asked(" ".join(p.text for p in people), identifiers=people))
    assert putter.add("It is PERSON_1") == "It is "
    assert putter.rest(cut=True) == ""
    assert putter.whole("PERSON_1 PERSON_11") == "Namea Namek"


def test_what_may_be_anybody_stays() -> None:
    _, putter = hide(asked("Who is Anna Smith?", identifiers=[ANNA]))
    assert putter.whole("person 1, Person-1, PERSON 2, PERSON.1") == "person 1, Person-1, PERSON 2, PERSON.1"


def test_what_ends_like_the_beginning_of_a_placeholder_is_said_at_the_end() -> None:
    _, putter = hide(asked("Who is Anna Smith?", identifiers=[ANNA]))
    assert putter.add("Try plan P") + putter.rest() == "Try plan P"


def test_arguments_citations_and_tools_are_hidden_and_put_back() -> None:
    request = asked("Tell Anna Smith", identifiers=[ANNA, Identifier(kind="person", text='Bo "Q" Li')])
    arguments = json.dumps({"to": ["Anna Smith", 'Bo "Q" Li'], "n": 1.0, "card": 4111111111111111})
    request.messages.add(role=ROLE_ASSISTANT, tool_calls=[ToolCall(id="1", name="tell", arguments=arguments)])
    request.messages.add(role=ROLE_TOOL, tool_call_id="1", text='{"was": "\\u0041nna Smith"}')
    schema = {
        "type": "object",
        "$comment": "for Anna Smith",
        "properties": {"to": {"enum": ["Anna Smith"]}, "Anna Smith": {"title": "of Anna Smith"}},
    }
    request.tools.add(name="tell", description="tells Anna Smith", parameters=json.dumps(schema))
    hidden, putter = hide(request)
    call = hidden.messages[2].tool_calls[0]
    assert json.loads(call.arguments) == {"to": ["PERSON_1", "PERSON_2"], "n": 1.0, "card": "CARD_1"}
    assert hidden.messages[3].text == '{"was": "PERSON_1"}'
    assert hidden.tools[0].description == "tells PERSON_1"
    assert json.loads(hidden.tools[0].parameters)["$comment"] == "for PERSON_1"
    made = json.loads(hidden.tools[0].parameters)["properties"]
    assert made == {"to": {"enum": ["PERSON_1"]}, "Anna Smith": {"title": "of PERSON_1"}}
    back = putter.value(call)
    assert isinstance(back, ToolCall)
    assert json.loads(back.arguments)["to"] == ["Anna Smith", 'Bo "Q" Li']
    cited = putter.value(Citation(url="https://a.example/PERSON_1", title="All of PERSON_2"))
    assert cited == Citation(url="https://a.example/PERSON_1", title='All of Bo "Q" Li')


def test_an_answer_that_is_json_stays_json() -> None:
    request = asked("Who is Bo?", 'Bo "Q" Li', identifiers=[Identifier(kind="person", text='Bo "Q" Li')])
    request.output_schema = '{"type": "object"}'
    _, putter = hide(request)
    assert json.loads(in_pieces(putter, '{"name": "PERSON_1"}', [4, 12, 14])) == {"name": 'Bo "Q" Li'}


def test_a_model_is_told_what_placeholders_are_where_there_are_some() -> None:
    request = asked("Who is Anna Smith?", identifiers=[ANNA])
    with_system = AnswerRequest(identifiers=[ANNA])
    with_system.messages.add(role=ROLE_SYSTEM, text="Be short.")
    with_system.messages.extend(request.messages)
    for given_request in (request, with_system):
        hidden, _ = hide(given_request)
        assert [m.role for m in hidden.messages] == [ROLE_SYSTEM, ROLE_USER]
        assert "stand for names" in hidden.messages[0].text
    assert not [m for m in hide(asked("Hello"))[0].messages if m.role == ROLE_SYSTEM]
    assert [m.text for m in request.messages] == ["Who is Anna Smith?"]
