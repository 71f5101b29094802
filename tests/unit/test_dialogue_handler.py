"""Dialogue's handler without a bus: an event and scripted services in, clauses and an end out."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from google.protobuf.message import Message

from parlance.errors import ParlanceError, Unavailable
from parlance.v1.actions_service_pb2 import RunRequest, RunResponse
from parlance.v1.context_service_pb2 import LookupResponse
from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.intent_pb2 import IntentRecognized, Slot
from parlance.v1.llm_service_pb2 import AnswerBegan, AnswerFinished, AnswerRequest, AnswerResponse, Role
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyClause, Settlement, TurnCompleted
from parlance.v1.state_pb2 import Exchange, OpenTurn, SessionSnapshot
from parlance.v1.turn_pb2 import Card, Header
from services.dialogue.handler import converse
from services.dialogue.handling import Handling

Answers = Mapping[str, list[Message | ParlanceError]]


class Played:
    """What a handler asked and said."""

    def __init__(self, answers: Answers, state: SessionSnapshot | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self.named: list[str] = []
        self._answers = answers
        header = Header(turn_id="t1", event_id="e1", session_id="s1", device_id="d1", asked_at_us=5, time_zone="UTC")
        self.handling = Handling(OpenTurn(header=header, snapshot=state), header, self._opens, self._before_act)
        self.said: list[ReplyClause] = []
        self.end = TurnCompleted()

    def _opens(self, call_id: str, method: str, request: Message) -> AsyncGenerator[Any, None]:
        self.asked[method] = request
        return self._given(method)

    async def _given(self, method: str) -> AsyncGenerator[Any, None]:
        for answer in self._answers[method]:
            if isinstance(answer, ParlanceError):
                raise answer
            yield answer

    async def _before_act(self, call_id: str, action: str) -> None:
        assert "Actions.Run" in self.asked
        self.named.append(action)

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


async def play(event: Any, answers: Answers | None = None, state: SessionSnapshot | None = None) -> Played:
    return await Played(answers or {}, state).run(event)


async def test_an_open_question_is_answered_clause_by_clause() -> None:
    pieces = ["It is late. Go", " home. Sleep", " well."]
    answer: list[Message | ParlanceError] = [AnswerResponse(began=AnswerBegan(provider="p:m", route_version="v3"))]
    answer += [AnswerResponse(text=piece) for piece in pieces]
    answer.append(AnswerResponse(finished=AnswerFinished()))
    state = SessionSnapshot(conversation=[Exchange(user_text="hi", reply_text="Hello."), Exchange(user_text="hm")])
    played = await play(IntentRecognized(intent="chat", text="what now"), {"Llm.Answer": answer}, state)
    assert played.texts == ["It is late.", "Go home.", "Sleep well."]
    assert {(c.provider, c.route_version) for c in played.said} == {("p:m", "v3")}
    assert played.end.outcome == Outcome.OUTCOME_ANSWERED
    request: AnswerRequest = played.asked["Llm.Answer"]
    assert [(m.role, m.text) for m in request.messages[1:]] == [
        (Role.ROLE_USER, "hi"),
        (Role.ROLE_ASSISTANT, "Hello."),
        (Role.ROLE_USER, "hm"),
        (Role.ROLE_USER, "what now"),
    ]


async def test_an_act_is_done_as_it_was_said_and_named_first() -> None:
    done = RunResponse(settlement=Settlement.SETTLEMENT_DONE, say="Milk is on it.", card=Card(title="Shopping list"))
    event = IntentRecognized(intent="list.add", text="put milk on it", slots=[Slot(name="item", value="milk")])
    played = await play(event, {"Actions.Run": [done]})
    assert played.texts == ["Milk is on it."] and played.said[0].card.title == "Shopping list"
    assert played.end.outcome == Outcome.OUTCOME_ANSWERED
    request: RunRequest = played.asked["Actions.Run"]
    assert (request.action, request.now_us, request.device_id) == ("list.add", 5, "d1")
    assert played.named == ["list.add"]
    assert list(played.handling.settled.values()) == [Settlement.SETTLEMENT_DONE]


async def test_an_act_that_may_not_be_done_ends_the_turn_refused() -> None:
    refused = RunResponse(settlement=Settlement.SETTLEMENT_REFUSED, say="I did not do that.")
    played = await play(IntentRecognized(intent="note.add"), {"Actions.Run": [refused]})
    assert played.texts == ["I did not do that."]
    assert (played.end.outcome, played.end.reason) == (Outcome.OUTCOME_REFUSED, Reason.REASON_POLICY)


async def test_what_comes_from_the_users_own_data_names_its_source() -> None:
    found = LookupResponse(say="Anna's number is 1 2 3.", source="your contacts")
    played = await play(IntentRecognized(intent="contacts.phone", text="Anna"), {"Context.Lookup": [found]})
    assert [(c.text, c.source) for c in played.said] == [("Anna's number is 1 2 3.", "your contacts")]


async def test_repeat_says_the_last_answer_again() -> None:
    state = SessionSnapshot(conversation=[Exchange(user_text="a", reply_text="It is late."), Exchange(user_text="b")])
    assert (await play(IntentRecognized(intent="repeat"), state=state)).texts == ["It is late."]
    assert (await play(IntentRecognized(intent="repeat"))).texts == ["I have not said anything yet."]


async def test_a_timer_that_went_off_says_which() -> None:
    played = await play(TimerFired(label="egg", duration_s=90))
    assert played.texts == ["Your egg 1 minute 30 second timer is done."]
    assert played.end.outcome == Outcome.OUTCOME_ANSWERED


async def test_a_service_out_of_reach_is_the_handlers_error_and_on_record() -> None:
    played = Played({"Llm.Answer": [AnswerResponse(text="It is. "), Unavailable("gone")]})
    with pytest.raises(Unavailable):
        await played.run(IntentRecognized(intent="chat", text="what now"))
    consumed = [asked.consumed() for asked in played.handling.ask.asked]
    assert [(c.method, c.chunks, c.error.message) for c in consumed] == [("Llm.Answer", 1, "gone")]
    assert played.texts == ["It is."]
