"""HTTP/1.1 as far as the emulator needs it: one request and one response a connection, chunks, errors as OpenAI's."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

# A request's headers, and its body: longer conversations than any model reads.
_MAX_BODY = 4 * 1024 * 1024
# Within which a client must have said all that it asks.
_HEARD_S = 30.0
END = b"0\r\n\r\n"
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


class HungUp(Exception):
    """Nobody is there any more who could be answered."""


class Refusal(Exception):
    """An answer that is an error: `status`, and OpenAI's `type`, `code` and `param` beside the message."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        kind = {429: "requests"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.status, self.headers = status, dict[str, str]()
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def response(self) -> bytes:
        return response(self.body, self.status, self.headers)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes


async def read(reader: asyncio.StreamReader) -> Request:
    """The request of a connection. Raises HungUp where there is none, Refusal where it is not understood."""
    try:
        async with asyncio.timeout(_HEARD_S):
            return await _read(reader)
    except TimeoutError as exc:
        raise Refusal(408, f"no whole request came within {_HEARD_S:g} s") from exc
    except asyncio.IncompleteReadError as exc:
        raise HungUp from exc
    except asyncio.LimitOverrunError as exc:
        raise Refusal(431, "the request's headers are too long") from exc


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refusal(400, "this is no HTTP/1.1 request")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise Refusal(411, "a request says its Content-Length")
    size = headers.get("content-length", "0")
    if not (size.isascii() and size.isdigit()):
        raise Refusal(400, "Content-Length is a number")
    if int(size) > _MAX_BODY:
        raise Refusal(413, f"a request has at most {_MAX_BODY} bytes")
    return Request(words[0], words[1].partition("?")[0], await reader.readexactly(int(size)))


def response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole response with a JSON body."""
    data = json.dumps(body).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n{more}Connection: close\r\n\r\n"
    )
    return head.encode() + data


def chunk(data: bytes) -> bytes:
    """A piece of a body that is sent in chunks."""
    return b"%x\r\n%b\r\n" % (len(data), data)
