"""A language model's server that answers so many at once and lets the others wait, as real ones do: SSE over HTTP."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

_WORDS = ("Well ", "done. ", "Look ", "here.")


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


_ANSWER = b"".join(_event({"content": word}) for word in _WORDS) + _event({}, "stop") + b"data: [DONE]\n\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class ModelServer:
    """`slots` answers at once, each after `seconds`; `url` is its base_url."""

    def __init__(self, slots: int, seconds: float) -> None:
        self._slots, self._seconds = asyncio.Semaphore(slots), seconds
        self.capacity_per_s = slots / seconds
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["ModelServer", None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            async with self._slots:
                await asyncio.sleep(self._seconds)
            writer.write(_HEAD + _ANSWER)
            await writer.drain()
        writer.close()
