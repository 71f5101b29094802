"""What tests of `parlance.answers` share: a vendor's stream, the record, askers."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

from parlance import clock
from parlance.answers import Answers
from parlance.errors import ParlanceError
from parlance.rpc import Call
from parlance.v1.llm_service_pb2 import AnswerBegan, AnswerRequest, AnswerResponse, ChatMessage
from parlance.v1.turn_pb2 import AnswerRecorded, Header

METHOD = "Llm.Answer"


def now() -> float:
    return asyncio.get_running_loop().time()


def ask(words: str = "why?") -> AnswerRequest:
    return AnswerRequest(messages=[ChatMessage(text=words)])


def call(call_id: str = "c1", seconds: float = 30.0, begun: bool = False) -> Call:
    header = Header(event_id="e1", session_id="s1", turn_id="t1")
    header.deadline_us = clock.now_us() + int(seconds * 1e6)
    return Call(call_id, header, now() + seconds, begun)


class Source:
    """A vendor's stream: words, one a second; counts what becomes of it."""

    def __init__(self, *words: str, error: ParlanceError | None = None, close_s: float = 0.0) -> None:
        self.words, self.error, self.close_s = words, error, close_s
        self.begun = self.closed = 0

    async def __call__(self) -> AsyncGenerator[AnswerResponse, None]:
        self.begun += 1
        try:
            yield AnswerResponse(began=AnswerBegan(provider="scripted:echo", route_version="v7"))
            for word in self.words:
                await asyncio.sleep(1)
                yield AnswerResponse(text=word)
            if self.error is not None:
                raise self.error
        finally:
            await asyncio.sleep(self.close_s)
            self.closed += 1


class Record:
    """Where the facts go."""

    def __init__(self) -> None:
        self.facts: list[AnswerRecorded] = []

    def __call__(self, header: Header, fact: AnswerRecorded) -> None:
        kept = AnswerRecorded()
        kept.CopyFrom(fact)
        self.facts.append(kept)


async def read(
    answers: Answers, source: Source, asked: Call | None = None, request: AnswerRequest | None = None
) -> str:
    text = ""
    async with aclosing(answers.give(asked or call(), METHOD, request or ask(), source)) as parts:
        async for part in parts:
            text += part.text
    return text


async def leave_after(chunks: int, answers: Answers, source: Source, asked: Call | None = None) -> None:
    async with aclosing(answers.give(asked or call(), METHOD, ask(), source)) as parts:
        for _ in range(chunks):
            await anext(parts)


async def failure_of(work: Coroutine[Any, Any, object]) -> Exception | None:
    try:
        await work
    except ParlanceError as exc:
        return exc
    return None


async def first_of(parts: AsyncGenerator[Any, None]) -> Any:
    return await anext(parts)
