"""The services that the suite of the carriers asks, and how it asks them."""

import asyncio
import math
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from parlance import rpc
from parlance.rpc import Call, Carrier
from parlance.v1.llm_service_pb2 import AnswerRequest, AnswerResponse, CheckLlmRouteRequest, CheckLlmRouteResponse
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, SpeechInterim
from parlance.v1.turn_pb2 import Header

Messages = AsyncGenerator[Any, None]


class Llm:
    """Answers as the test says, and notes what it sees."""

    def __init__(self) -> None:
        self.behave: Callable[[AnswerRequest, Call], Messages] = answers("one", "two", "three")
        self.calls: list[Call] = []
        self.given = 0
        self.ended = asyncio.Event()

    async def answer(self, request: AnswerRequest, call: Call) -> Messages:
        self.calls.append(call)
        try:
            async with aclosing(self.behave(request, call)) as messages:
                async for message in messages:
                    self.given += 1
                    yield message
        finally:
            self.ended.set()

    async def check_llm_route(self, request: CheckLlmRouteRequest, call: Call) -> Messages:
        self.calls.append(call)
        yield CheckLlmRouteResponse()


class Speech:
    """Says how many bytes each request held. `deaf`: never reads."""

    def __init__(self) -> None:
        self.deaf = False
        self.ended = asyncio.Event()

    async def hear(self, requests: AsyncIterator[HearRequest], call: Call) -> Messages:
        try:
            if self.deaf:
                yield HearResponse()
                await asyncio.Event().wait()
            async for request in requests:
                yield HearResponse(interim=SpeechInterim(text=str(len(request.pcm))))
        finally:
            self.ended.set()


def answers(*texts: str, then: BaseException | None = None, hang: bool = False) -> Callable[..., Messages]:
    """A service that gives these texts, then raises, or hangs, or ends."""

    async def behave(request: AnswerRequest, call: Call) -> Messages:
        for text in texts:
            yield AnswerResponse(text=text)
        if hang:
            await asyncio.Event().wait()
        if then is not None:
            raise then

    return behave


def ask(carrier: Carrier, seconds: float = math.inf, text: str = "") -> Messages:
    request = AnswerRequest()
    request.messages.add(text=text)
    return carrier.ask("Llm.Answer", request, call(seconds))


def call(seconds: float = math.inf) -> Call:
    return Call("call-1", Header(turn_id="t", user_id="u"), asyncio.get_running_loop().time() + seconds)


async def texts(responses: Messages) -> list[str]:
    async with aclosing(responses):
        return [r.text async for r in responses]


async def passed(deadline: float) -> None:
    """Until the loop's clock is past `deadline`."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_at(deadline + 0.005, event.set)
    await event.wait()


async def settled(carrier: Carrier, count: Callable[[], int]) -> int:
    """The count once it stood still for 20 calls over the same carrier."""
    seen, still = -1, 0
    while still < 20:
        await rpc.one(carrier.ask("Llm.CheckLlmRoute", CheckLlmRouteRequest(), call()))
        seen, still = count(), still + 1 if count() == seen else 0
    return seen


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def whole(exc: BaseException) -> str:
    """All that a log could show of an exception."""
    return "".join(traceback.format_exception(exc))


class RpcFixtures:
    @pytest.fixture
    def llm(self) -> Llm:
        return Llm()

    @pytest.fixture
    def speech(self) -> Speech:
        return Speech()

    @pytest.fixture
    def services(self, llm: Llm, speech: Speech) -> dict[str, object]:
        return {"Llm": llm, "Speech": speech}
