"""A real server on a real socket that streams Chat Completions as it is told, and sees when its client hangs up."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

STALL = "stall"
DONE = "data: [DONE]\n\n"


def event(text: str = "", finish: str | None = None, usage: tuple[int, int] | None = None) -> str:
    """A chunk as OpenAI's API writes it; the one with the usage has no choices."""
    chunk: dict[str, Any] = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    if usage is None:
        chunk["choices"] = [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]
    else:
        chunk["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return f"data: {json.dumps(chunk)}\n\n"


def whole(*words: str) -> list[str]:
    """An answer from its first chunk to its last."""
    return [*(event(word) for word in words), event(finish="stop"), event(usage=(7, len(words))), DONE]


class SseServer:
    """`script`: pieces of the stream, written one by one; STALL: silence until the client hangs up. `status` other
    than 200: `script` is the body of a refusal."""

    def __init__(self, script: Sequence[str], status: int = 200) -> None:
        self.script, self.status = script, status
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.body_sizes: list[int] = []
        self.keys: list[str] = []
        self.heads: list[str] = []
        self.asked = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._hear(reader)
            kind = "text/event-stream" if self.status == 200 else "application/json"
            writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
            for piece in self.script:
                if piece == STALL:
                    await reader.read()
                    self.hung_up.set()
                    return
                writer.write(piece.encode())
                await writer.drain()
        except ConnectionError:
            self.hung_up.set()
        finally:
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        self.heads.append("\n".join(head))
        self.keys.append(headers.get("authorization", ""))
        body = await reader.readexactly(int(headers["content-length"]))
        self.body_sizes.append(len(body))
        self.requests.append(json.loads(body))
        self.asked.set()


@asynccontextmanager
async def serving(*script: str, status: int = 200) -> AsyncGenerator[SseServer, None]:
    """A server on a free port of this machine."""
    made = SseServer(script, status)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield made
