"""A vendor's server in the test's own process: it answers with what the test says, cut where the test says."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx2

from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role, Tool
from services.llm.provider import Value
from services.llm.providers import http

# What the streams of the tests call.
OFFERED = [Tool(name=name) for name in ("light", "time", "look")]
QUESTION = ChatMessage(role=Role.ROLE_USER, text="Who wrote Emma?")


class _Body(httpx2.AsyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for chunk in self._chunks:
            yield chunk


class Vendor:
    """`places`: where the body is cut into what the network brings at once."""

    def __init__(self, body: bytes, status: int = 200, places: Sequence[int] = ()) -> None:
        at = [0, *sorted({place % (len(body) + 1) for place in places}), len(body)]
        self._chunks, self._status = [body[begin:end] for begin, end in pairwise(at)], status
        self.asked: list[dict[str, Any]] = []
        self.requests: list[httpx2.Request] = []

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.asked.append(json.loads(await request.aread()))
        kind = "text/event-stream" if self._status == 200 else "application/json"
        return httpx2.Response(self._status, headers={"Content-Type": kind}, stream=_Body(self._chunks))

    def client(self) -> httpx2.AsyncClient:
        return http.client(httpx2.MockTransport(self._answer))


def asking(*messages: ChatMessage, **fields: Any) -> AnswerRequest:
    return AnswerRequest(messages=messages or [QUESTION], **fields)


async def read(provider: Any, request: AnswerRequest | None = None) -> list[Value]:
    async with aclosing(provider.answer(request or asking(tools=OFFERED))) as values:
        return [value async for value in values]


@asynccontextmanager
async def closing(make: Callable[[], Any]) -> AsyncGenerator[Any, None]:
    provider = make()
    try:
        yield provider
    finally:
        await provider.aclose()
