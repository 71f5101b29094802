"""Who may see a question is asked of its user, and done as was said."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from google.protobuf.message import Message

from parlance.errors import ParlanceError, PermissionDenied, Unavailable
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.llm_service_pb2 import (
    AnswerBegan,
    AnswerRequest,
    AnswerResponse,
    ConsentNeeded,
    RememberConsentRequest,
    RememberConsentResponse,
)
from parlance.v1.reply_pb2 import Outcome, Question, Reason, ReplyClause, TurnCompleted
from parlance.v1.state_pb2 import Exchange, OpenTurn, Persona, SessionSnapshot
from parlance.v1.turn_pb2 import CAPABILITY_CODE, Consent, Header
from services.dialogue.handler import converse
from services.dialogue.handling import Handling

HINT = "You can say yes, no, always or never."
ASKED = IntentRecognized(intent="chat", text="why is the sky blue", capability=CAPABILITY_CODE)
NEEDED = AnswerResponse(consent_needed=ConsentNeeded(vendor="openai", speaks_as="ChatGPT", provider="openai:m"))
ALSO = AnswerResponse(consent_needed=ConsentNeeded(vendor="google", speaks_as="Gemini", provider="google:m"))
ANSWER = [
    AnswerResponse(began=AnswerBegan(provider="openai:m", speaks_as="ChatGPT", route_version="v2")),
    AnswerResponse(text="It scatters. "),
    AnswerResponse(text="So it is."),
]
QUESTION = Question(vendor="openai", speaks_as="ChatGPT", text=ASKED.text, capability=CAPABILITY_CODE, asked_in="t1")
OWN = Persona(name="Nova", own_brand=True)


class Played:
    """A turn: what it asked of whom, what it said, how it ended."""

    def __init__(self, *answers: list[Any], state: SessionSnapshot | None = None) -> None:
        self._answers, self.asked = list(answers), list[Message]()
        head = Header(turn_id="t2" if state is not None and state.HasField("question") else "t1", event_id="e")
        self.handling = Handling(OpenTurn(header=head, snapshot=state), head, self._opens, self._never)
        self.said, self.end = list[ReplyClause](), TurnCompleted()

    def _opens(self, call_id: str, method: str, request: Message) -> AsyncGenerator[Any, None]:
        self.asked.append(request)
        return self._given([RememberConsentResponse()] if "Remember" in method else self._answers.pop(0))

    async def _given(self, parts: list[Any]) -> AsyncGenerator[Any, None]:
        for part in parts:
            if isinstance(part, ParlanceError):
                raise part
            yield part

    async def _never(self, call_id: str, action: str) -> None:
        raise AssertionError("nothing is done")

    async def run(self, event: Any) -> "Played":
        async with aclosing(converse(event, self.handling.view())) as bodies:
            async for body in bodies:
                if isinstance(body, TurnCompleted):
                    self.end = body
                else:
                    self.said.append(body)
        return self

    @property
    def texts(self) -> list[str]:
        return [clause.text for clause in self.said]

    @property
    def ended(self) -> tuple[int, int]:
        return self.end.outcome, self.end.reason


def state(question: Question = QUESTION, **more: Any) -> SessionSnapshot:
    conversation = [
        Exchange(turn_id="t0", user_text="hi", reply_text="Hello."),
        Exchange(turn_id="t1", user_text=ASKED.text, reply_text=f"May I ask ChatGPT? {HINT}"),
    ]
    return SessionSnapshot(question=question, conversation=conversation, **more)


def say(text: str) -> IntentRecognized:
    return IntentRecognized(intent="chat", text=text)


WELL, ASKS = (Outcome.OUTCOME_ANSWERED, Reason.REASON_UNSPECIFIED), (Outcome.OUTCOME_ANSWERED, Reason.REASON_ASKED)


async def test_the_user_is_asked_and_the_turn_ends_with_the_question() -> None:
    played = await Played([NEEDED]).run(ASKED)
    assert played.texts == [f"May I ask ChatGPT? {HINT}"]
    assert played.ended == ASKS and played.end.question == QUESTION
    assert [a.consumed().chunks for a in played.handling.ask.asked] == [1]


async def test_a_yes_asks_the_question_once_more_with_it() -> None:
    played = await Played(ANSWER, state=state()).run(say("yes"))
    assert played.texts == ["ChatGPT says: It scatters.", "So it is."] and played.ended == WELL
    (request,) = played.asked
    assert isinstance(request, AnswerRequest)
    assert (list(request.consents), list(request.refused), request.capability) == (["openai"], [], CAPABILITY_CODE)
    # Whether somebody may be asked is nothing that a model is told.
    assert [m.text for m in request.messages[1:]] == ["hi", "Hello.", ASKED.text]


@pytest.mark.parametrize(
    ("said", "consent", "consents", "refused"),
    [
        ("always", Consent.CONSENT_ALWAYS, ["openai"], []),
        ("never", Consent.CONSENT_NEVER, [], ["openai"]),
    ],
)
async def test_always_and_never_are_remembered_before_anybody_is_asked(
    said: str, consent: Consent.ValueType, consents: list[str], refused: list[str]
) -> None:
    played = await Played(ANSWER, state=state()).run(say(said))
    remembered, request = played.asked
    assert remembered == RememberConsentRequest(vendor="openai", consent=consent)
    assert isinstance(request, AnswerRequest)
    assert (list(request.consents), list(request.refused)) == (consents, refused)
    assert played.ended == WELL


async def test_after_a_no_somebody_else_may_answer() -> None:
    own = [AnswerResponse(began=AnswerBegan(provider="compatible:m")), AnswerResponse(text="It is blue.")]
    played = await Played(own, state=state()).run(say("no"))
    assert played.texts == ["It is blue."] and played.ended == WELL
    (request,) = played.asked
    assert isinstance(request, AnswerRequest) and list(request.refused) == ["openai"]


@pytest.mark.parametrize(
    ("said", "persona", "told"),
    [
        ("no", Persona(), "Okay. Then I have nobody else to ask."),
        ("never", Persona(), "Okay. I will never ask ChatGPT."),
        ("never", OWN, "Okay. I will never ask it."),
    ],
)
async def test_after_a_no_nobody_else_may_be_left(said: str, persona: Persona, told: str) -> None:
    played = await Played([PermissionDenied("nobody")], state=state(persona=persona)).run(say(said))
    assert played.texts == [told] and played.ended == WELL


async def test_after_a_no_the_next_vendor_asks_too_and_what_was_said_of_the_first_holds() -> None:
    played = await Played([ALSO], state=state()).run(say("no"))
    assert played.texts == [f"May I ask Gemini? {HINT}"] and played.ended == ASKS
    question = played.end.question
    assert (question.vendor, list(question.refused), question.text) == ("google", ["openai"], ASKED.text)
    played = await Played(ANSWER, state=state(question)).run(say("yes"))
    (request,) = played.asked
    assert isinstance(request, AnswerRequest)
    assert (list(request.consents), list(request.refused)) == (["google"], ["openai"])


async def test_who_has_said_no_is_not_asked_of_the_same_vendor_again() -> None:
    played = await Played([NEEDED], state=state()).run(say("no"))
    assert played.texts == ["Okay. Then I have nobody else to ask."] and played.ended == WELL


async def test_a_yes_that_came_too_soon_asks_again() -> None:
    played = await Played(state=state(ask_again=True)).run(say("yes"))
    assert played.texts == [f"May I ask ChatGPT? {HINT}"] and played.asked == []
    assert played.ended == ASKS and played.end.question == QUESTION


@pytest.mark.parametrize("error", [PermissionDenied("label"), Unavailable("down")])
async def test_where_it_was_allowed_and_fails_the_turn_fails(error: ParlanceError) -> None:
    with pytest.raises(type(error)):
        await Played([error], state=state()).run(say("yes"))


async def test_under_ones_own_brand_nobody_is_named() -> None:
    played = await Played([NEEDED], state=SessionSnapshot(persona=OWN)).run(ASKED)
    assert played.texts == [f"May I ask a partner's model? {HINT}"]
    introduced = [*ANSWER[:1], AnswerResponse(text="I am ChatGPT, made by OpenAI. It scatters.")]
    played = await Played(introduced, state=state(persona=OWN)).run(say("yes"))
    assert played.texts == ["I am Nova, made by the people behind Nova.", "It scatters."]
    (request,) = played.asked
    assert isinstance(request, AnswerRequest)
    assert "Your name is Nova." in request.messages[0].text and "ChatGPT" not in str(request.messages)
