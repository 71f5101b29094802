"""The page's WebSocket: one conversation, and questions about turns.

In:   text frames, the JSON of one ConverseRequest ({"text": {"text": "..."}}), or {"listTurns": {"limit": 20}}, or
      {"getTurn": {"turnId": "..."}}; binary frames, audio as hello declared it.
Out:  text frames, the JSON of one ConverseResponse, or {"turns": [TurnSummary]}, or {"turn": GetTurnResponse};
      binary frames, audio: 4 bytes little endian, the length of a JSON header {turnId, seq, sampleRateHz}; the header;
      PCM, signed 16 bit little endian, mono.
A frame that makes no sense is answered by a problem, and so is a question that fails ("asked" names it).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, Protocol

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from parlance.errors import InvalidRequest, ParlanceError, Unavailable
from parlance.rpc import Call, failure, one
from parlance.v1.gateway_service_pb2 import (
    Audio,
    AudioEncoding,
    ConverseRequest,
    ConverseResponse,
    GetTurnRequest,
    GetTurnResponse,
    ListTurnsRequest,
    ListTurnsResponse,
    Problem,
)
from parlance.v1.turn_pb2 import Header

_QUEUED = 64
_STALLED_S = 20.0
_OVER = 1012  # "service restart": whoever was talking may come again
_ASKS: dict[str, type[ListTurnsRequest] | type[GetTurnRequest]] = {
    "listTurns": ListTurnsRequest,
    "getTurn": GetTurnRequest,
}
_UNFIT = (json_format.Error, ValueError, TypeError, AttributeError, KeyError, RecursionError)


class Service(Protocol):
    """What the page needs of GatewayService."""

    def converse(
        self, requests: AsyncIterator[ConverseRequest], call: Call
    ) -> AsyncGenerator[ConverseResponse, None]: ...

    def list_turns(self, request: ListTurnsRequest, call: Call) -> AsyncGenerator[ListTurnsResponse, None]: ...

    def get_turn(self, request: GetTurnRequest, call: Call) -> AsyncGenerator[GetTurnResponse, None]: ...


class Socket:
    def __init__(self, service: Service, websocket: WebSocket) -> None:
        self._service, self._websocket = service, websocket
        self._requests: asyncio.Queue[ConverseRequest] = asyncio.Queue(_QUEUED)
        self._asks: asyncio.Queue[Message] = asyncio.Queue(_QUEUED)
        self._is_pcm = True

    async def run(self) -> None:
        """Until the client is gone or the conversation is over; ends the one with the other."""
        await self._websocket.accept()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for work in (self._read, self._converse, self._answer)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        if self._websocket.client_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(_OVER)

    async def _read(self) -> None:
        while True:
            frame = await self._websocket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                await self._take(frame)
            except ParlanceError as exc:
                if not await self._problem(exc):
                    return
            except TimeoutError:
                await self._problem(Unavailable("the conversation takes no more sound; it begins anew"))
                return

    async def _take(self, frame: Any) -> None:
        if frame.get("text") is None:
            await self._put(self._sound(frame["bytes"]))
            return
        request = _parsed(frame["text"])
        if not isinstance(request, ConverseRequest):
            if self._asks.full():
                raise InvalidRequest(f"{_QUEUED} questions wait already; wait for their answers")
            self._asks.put_nowait(request)
            return
        if request.HasField("hello"):
            self._is_pcm = request.hello.encoding != AudioEncoding.AUDIO_ENCODING_FILE
        await self._put(request)

    async def _put(self, request: ConverseRequest) -> None:
        """Waits for room; then the client's sound waits in its own socket."""
        async with asyncio.timeout(_STALLED_S):
            await self._requests.put(request)

    def _sound(self, data: bytes) -> ConverseRequest:
        if self._is_pcm and len(data) % 2:
            raise InvalidRequest("a binary frame is PCM of 16 bit samples: send an even number of bytes")
        return ConverseRequest(audio=data)

    async def _converse(self) -> None:
        try:
            requests = _Requests(self._requests)
            async with aclosing(self._service.converse(requests, Call("", Header()))) as responses:
                async for response in responses:
                    if not await self._pass_on(response):
                        return
        except Exception as exc:
            await self._problem(failure("Gateway.Converse", exc))

    async def _pass_on(self, response: ConverseResponse) -> bool:
        if response.HasField("audio"):
            return await self._send(_framed(response.audio))
        return await self._send(json.dumps(json_format.MessageToDict(response)))

    async def _answer(self) -> None:
        while True:
            request = await self._asks.get()
            try:
                answer = await self._asked(request)
            except Exception as exc:
                asked = "getTurn" if isinstance(request, GetTurnRequest) else "listTurns"
                answer = _told(failure("Gateway", exc), asked=asked)
            if not await self._send(json.dumps(answer)):
                return

    async def _asked(self, request: Message) -> dict[str, Any]:
        call = Call("", Header())
        if isinstance(request, GetTurnRequest):
            return {"turn": json_format.MessageToDict(await one(self._service.get_turn(request, call)))}
        assert isinstance(request, ListTurnsRequest)
        found = await one(self._service.list_turns(request, call))
        return {"turns": [json_format.MessageToDict(turn) for turn in found.turns]}

    async def _problem(self, error: ParlanceError) -> bool:
        return await self._send(json.dumps(_told(error)))

    async def _send(self, frame: str | bytes) -> bool:
        """False: the client is gone, or has not read for 20 s."""
        try:
            async with asyncio.timeout(_STALLED_S):
                if isinstance(frame, str):
                    await self._websocket.send_text(frame)
                else:
                    await self._websocket.send_bytes(frame)
        except (WebSocketDisconnect, TimeoutError):
            return False
        return True


class _Requests:
    """What the client sends, for as long as anybody asks for more. No generator: whoever reads it may be in the middle
    of that when the client goes."""

    def __init__(self, queue: "asyncio.Queue[ConverseRequest]") -> None:
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[ConverseRequest]:
        return self

    async def __anext__(self) -> ConverseRequest:
        return await self._queue.get()


def _parsed(text: str) -> Message:
    """A ConverseRequest, or a question about turns. Raises InvalidRequest; its message holds nothing of the frame."""
    try:
        fields = json.loads(text)
        asked = next((name for name in _ASKS if name in fields), "")
        if asked:
            return json_format.ParseDict(fields[asked], _ASKS[asked]())
        request = json_format.ParseDict(fields, ConverseRequest())
    except _UNFIT as exc:
        raise InvalidRequest(_USAGE) from exc
    if request.WhichOneof("message") is None:
        raise InvalidRequest(_USAGE)
    return request


_USAGE = (
    'a text frame is the JSON of one request, such as {"hello": {}}, {"text": {"text": "what time is it"}} or '
    '{"getTurn": {"turnId": "..."}}'
)


def _told(error: ParlanceError, **more: str) -> dict[str, Any]:
    told = json_format.MessageToDict(ConverseResponse(problem=Problem(error=error.to_proto())))
    told["problem"].update(more)
    return told


def _framed(audio: Audio) -> bytes:
    header = json.dumps({"turnId": audio.turn_id, "seq": audio.seq, "sampleRateHz": audio.sample_rate_hz}).encode()
    return len(header).to_bytes(4, "little") + header + audio.pcm
