"""Whom a question names is part of what its turn begins with, and costs nobody his answer."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from parlance.errors import Unavailable
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.context_service_pb2 import IdentifyRequest, IdentifyResponse
from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.llm_service_pb2 import Identifier
from parlance.v1.reply_pb2 import Question
from parlance.v1.state_pb2 import Exchange, OpenTurn, SessionSnapshot
from parlance.v1.turn_pb2 import Header
from services.dialogue.named import Named
from services.dialogue.prompt import request_of

ANNA = Identifier(kind="person", text="Anna")
CHAT = IntentRecognized(intent="chat", text="who is Anna")


class Context:
    def __init__(self, seconds: float = 0.0, fails: bool = False) -> None:
        self.asked: list[tuple[str, IdentifyRequest]] = []
        self.seconds, self.fails = seconds, fails

    async def lookup(self, request: object, call: Call) -> AsyncGenerator[object, None]:
        raise AssertionError("nothing is looked up")
        yield

    import_ = lookup

    async def identify(self, request: IdentifyRequest, call: Call) -> AsyncGenerator[IdentifyResponse, None]:
        self.asked.append((call.header.user_id, request))
        await asyncio.sleep(self.seconds)
        if self.fails:
            raise Unavailable("no index")
        yield IdentifyResponse(identifiers=[ANNA])


def turn(**state: object) -> OpenTurn:
    return OpenTurn(header=Header(turn_id="t", user_id="u"), snapshot=SessionSnapshot(**state))  # type: ignore[arg-type]


async def test_all_that_a_model_will_read_is_looked_at() -> None:
    context = Context()
    before = turn(conversation=[Exchange(user_text="hi", reply_text="Hello.")], question=Question(text="old"))
    assert list(await Named(DirectCarrier({"Context": context})).in_turn(before, CHAT)) == [ANNA]
    assert not before.snapshot.names_unknown
    assert [(user, list(r.texts)) for user, r in context.asked] == [("u", ["who is Anna", "old", "hi", "Hello."])]


@pytest.mark.parametrize("event", [IntentRecognized(intent="time.now", text="what time is it"), TimerFired()])
async def test_what_goes_to_no_model_is_asked_of_nobody(event: object) -> None:
    context = Context()
    assert list(await Named(DirectCarrier({"Context": context})).in_turn(turn(), event)) == []
    assert context.asked == []


@pytest.mark.parametrize("context", [None, Context(fails=True), Context(seconds=5)])
async def test_without_context_the_turn_goes_on_and_soon_asks_no_more(context: Context | None) -> None:
    """That the names are not known is part of what it begins with: no partner sees it."""
    named = Named(DirectCarrier({"Context": context} if context else {}))
    began = asyncio.get_running_loop().time()
    for _ in range(20):
        made = turn()
        assert list(await named.in_turn(made, CHAT)) == [] and made.snapshot.names_unknown
    assert asyncio.get_running_loop().time() - began < 1.0
    assert context is None or len(context.asked) == 1


def test_who_is_named_goes_with_the_question() -> None:
    request = request_of(Question(text="who is Anna"), SessionSnapshot(identifiers=[ANNA]))
    assert list(request.identifiers) == [ANNA] and not request.names_unknown
    assert request_of(Question(text="who is Anna"), SessionSnapshot(names_unknown=True)).names_unknown
