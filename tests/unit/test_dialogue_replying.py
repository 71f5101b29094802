"""Where an answer is from is kept, shown and said once; whose it is, is said first."""

import pytest

from parlance.errors import InvalidRequest
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.llm_service_pb2 import AnswerBegan, AnswerResponse, Citation
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyClause
from parlance.v1.state_pb2 import Persona
from parlance.v1.turn_pb2 import CAPABILITY_CHAT, CAPABILITY_CODE, CAPABILITY_WEB, Capability
from services.dialogue.replying import Replying
from tests.unit.test_dialogue_consent import Played


def began(name: str = "") -> AnswerResponse:
    return AnswerResponse(began=AnswerBegan(provider="p:m", route_version="v3", speaks_as=name))


def text(words: str) -> AnswerResponse:
    return AnswerResponse(text=words)


def cite(url: str, title: str = "") -> AnswerResponse:
    return AnswerResponse(citation=Citation(url=url, title=title))


def replied(*parts: AnswerResponse, persona: Persona | None = None) -> list[ReplyClause]:
    replying = Replying(persona or Persona(), "what is new")
    said = [clause for part in parts for clause in replying.take(part)]
    return [*said, *replying.rest()]


def urls(clause: ReplyClause) -> list[str]:
    return [source.url for source in clause.sources]


def test_each_page_is_on_the_clause_that_follows_it_and_is_said_once() -> None:
    first, second, last = replied(
        began(),
        text("It rains. It "),
        cite("https://www.example.org/a", "Rain"),
        cite("https://www.example.org/a", "Rain"),
        cite("https://example.com/b?utm_source=openai&q=1", "More"),
        text("pours."),
    )
    assert urls(first) == []
    assert [(s.url, s.title) for s in second.sources] == [
        ("https://www.example.org/a", "Rain"),
        ("https://example.com/b?q=1", "More"),
    ]
    assert (last.text, urls(last)) == ("That is from example.org and example.com.", [])
    assert {(c.provider, c.route_version) for c in (first, second, last)} == {("p:m", "v3")}


def test_what_comes_after_the_last_word_is_on_what_says_where_it_is_from() -> None:
    *_, last = replied(text("It rains. "), *(cite(f"https://{h}.example/x") for h in "abcd"))
    assert last.text == "That is from a.example, b.example, c.example and 1 more."
    assert len(last.sources) == 4


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ("a", "That is from a.example."),
        ("ab", "That is from a.example and b.example."),
        ("abc", "That is from a.example, b.example and c.example."),
    ],
)
def test_one_two_and_three_pages(hosts: str, said: str) -> None:
    assert replied(text("So."), *(cite(f"https://{h}.example/") for h in hosts))[-1].text == said


def test_an_answer_without_pages_says_nothing_of_any() -> None:
    assert [c.text for c in replied(began(), text("It is late."))] == ["It is late."]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "", "http://[broken"])
def test_what_is_no_page_of_the_web_is_left_out(url: str) -> None:
    said = replied(text("So."), cite(url, "x"))
    assert [c.text for c in said] == ["So."] and urls(said[0]) == []


def test_a_page_behind_a_redirect_is_called_by_its_title() -> None:
    redirect = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/AbC"
    so, last = replied(text("So."), cite(redirect, "example.org"))
    assert last.text == "That is from example.org." and [*urls(so), *urls(last)] == [redirect]
    branded = replied(text("So."), cite(redirect, "example.org"), persona=Persona(name="Nova", own_brand=True))
    assert [u for c in branded for u in urls(c)] == ["https://example.org"]


def test_links_in_the_text_are_not_read_out() -> None:
    said = replied(
        text("It rains ([a.example](https://a.example/?x=1), [b](http://b.example)). See [this](http://c.d).")
    )
    assert [c.text for c in said] == ["It rains.", "See this."]


def test_whose_answer_it_is_is_said_once_and_first() -> None:
    assert [c.text for c in replied(began("Claude"), text("It is late. Go home."))] == [
        "Claude says: It is late.",
        "Go home.",
    ]
    assert [c.text for c in replied(began(), text("It is late."))] == ["It is late."]


def test_who_goes_on_after_another_says_so_too() -> None:
    said = replied(began("Claude"), text("It is late. Go"), began("ChatGPT"), text(" home."))
    assert [c.text for c in said] == ["Claude says: It is late.", "ChatGPT says: Go home."]


def test_who_was_asked_in_vain_is_not_named() -> None:
    assert [c.text for c in replied(began("Claude"), began("ChatGPT"), text("Late."))] == ["ChatGPT says: Late."]


@pytest.mark.parametrize(
    ("capability", "said"),
    [
        (CAPABILITY_WEB, "can look into the web. To add one, type: parlance routes set llm TARGET --for web"),
        (CAPABILITY_CODE, "is for code. To add one, type: parlance routes set llm TARGET --for code"),
    ],
)
async def test_where_nobody_can_it_is_said_with_what_mends_it(capability: Capability.ValueType, said: str) -> None:
    event = IntentRecognized(intent="chat", text="what is new", capability=capability)
    played = await Played([InvalidRequest("no rule")]).run(event)
    assert played.texts == [f"I have no language model that {said}"]
    assert played.ended == (Outcome.OUTCOME_REFUSED, Reason.REASON_POLICY)


@pytest.mark.parametrize("parts", [[InvalidRequest("too long")], [text("So it is. And "), InvalidRequest("too long")]])
async def test_what_is_wrong_otherwise_fails_the_turn(parts: list[AnswerResponse | InvalidRequest]) -> None:
    capability = CAPABILITY_WEB if len(parts) > 1 else CAPABILITY_CHAT
    with pytest.raises(InvalidRequest):
        await Played(parts).run(IntentRecognized(intent="chat", text="hi", capability=capability))
