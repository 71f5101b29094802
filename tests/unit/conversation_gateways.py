"""Gateways that a test plays for a client's conversation, connection by connection."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from parlance.conversation import Conversation
from parlance.v1.gateway_service_pb2 import ConverseRequest, ConverseResponse, Hello, Ready

Stream = Callable[[AsyncIterator[ConverseRequest]], AsyncGenerator[ConverseResponse, None]]


class Gateways:
    """Each connection is played by the next stream."""

    def __init__(self, *streams: Stream) -> None:
        self._streams = list(streams)

    def converse(self, requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        return self._streams.pop(0)(requests)


class Seen:
    """What one connection was sent before it broke or ended."""

    def __init__(self) -> None:
        self.hello = Hello()
        self.requests: list[ConverseRequest] = []

    async def greet(self, requests: AsyncIterator[ConverseRequest]) -> None:
        self.hello = (await anext(requests)).hello

    async def take(self, requests: AsyncIterator[ConverseRequest], count: int) -> None:
        for _ in range(count):
            self.requests.append(await anext(requests))


def ready(slot: int) -> ConverseResponse:
    return ConverseResponse(ready=Ready(session_id="s", device_id="d", partition=slot))


async def run(gateways: Gateways, *requests: ConverseRequest, **hello: Any) -> list[ConverseResponse]:
    queue: asyncio.Queue[ConverseRequest | None] = asyncio.Queue()
    for request in requests:
        queue.put_nowait(request)
    talk = Conversation(gateways, Hello(one_turn=True, **hello), queue)  # type: ignore[arg-type]
    return [response async for response in talk.responses()]
