"""All four vendors in one process that does as little as it can: HTTP/1.1 by hand over uvloop, connections kept alive.

The name of the model says what becomes of a question: good (answered), stall (never a word), fail (503), cut (answered
until the connection ends, where the question says), other (goes on with what was cut). Asked over its pipe, it tells
when the connections of unfinished answers ended, and how many answers are open.
"""

import asyncio
import json
import re
import time
from typing import Any

import uvloop

from benchmarks.llm_child import serve
from benchmarks.llm_wire import CHUNKS, PATHS, WIRES, Order, Wire, order_of, pieces

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_FAILED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_MODEL = re.compile(r'"model": ?"(\w+)"|/models/(\w+):')
_REPEATS = (1, 2, 5)

# By the id of the question: when the connection of its unfinished answer ended (ns of the monotonic clock).
closed: dict[str, int] = {}
answering: set["Vendor"] = set()


class Vendor(asyncio.Protocol):
    """One connection, one question at a time."""

    def __init__(self) -> None:
        self._read = b""
        self._order = Order()
        self._rest: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self in answering:
            answering.discard(self)
            closed[self._order.id] = time.monotonic_ns()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self._read = b""
        path = head.split(b" ", 2)[1].decode()
        vendor = next((name for begins, name in PATHS.items() if path.startswith(begins)), "")
        if not vendor:  # somebody looks around before it asks
            self._transport.write(_NOTHING)
            return
        text = body.decode()
        named = _MODEL.search(path + text)
        assert named is not None, "a question names its model"
        self._order = order_of(json.loads(f'"{_question(text)}"'))
        self._asked(named[1] or named[2], WIRES[vendor], text)

    def _asked(self, model: str, wire: Wire, body: str) -> None:
        if model == "fail":
            self._transport.write(_FAILED)
            return
        answering.add(self)
        if model == "stall":
            return
        told = pieces(self._order) if model != "other" else _goes_on(self._order, body)
        if model == "cut":
            self._cut(wire, told)
            return
        self._transport.write(_HEAD)
        self._say(wire, told)

    def _say(self, wire: Wire, told: list[str]) -> None:
        order, self._next = self._order, self._loop.time()
        if order.clock:
            self._pace(wire, order.n, b"")
            return
        self._rest = [_chunked(wire.piece(text)) for text in told]
        self._rest[0] = (_chunked(wire.head) if wire.head else b"") + self._rest[0]
        self._rest[-1] += _chunked(wire.tail) + _END
        self._rest.reverse()
        self._step()

    def _step(self) -> None:
        """A piece is written alone, as a model makes one token after the other."""
        if self._transport.is_closing():
            return
        self._transport.write(self._rest.pop())
        if not self._rest:
            self._done()
        elif gap_us := self._order.gap_us:
            self._next += gap_us / 1e6
            self._timer = self._loop.call_at(self._next, self._step)
        else:
            self._loop.call_soon(self._step)

    def _pace(self, wire: Wire, left: int, before: bytes) -> None:
        head = b"" if before or not wire.head else _chunked(wire.head)
        piece = _chunked(wire.piece(f"{time.monotonic_ns()} "))
        if left <= 1:
            self._transport.write(head + piece + _chunked(wire.tail) + _END)
            self._done()
            return
        self._transport.write(head + piece)
        self._next += self._order.gap_us / 1e6
        self._timer = self._loop.call_at(self._next, self._pace, wire, left - 1, piece)

    def _done(self) -> None:
        answering.discard(self)

    def _cut(self, wire: Wire, told: list[str]) -> None:
        """Piece by piece as far as it goes; then the connection is gone in the middle of the body."""
        body = wire.head + b"".join(map(wire.piece, told)) + wire.tail
        cut = body[: self._order.cut]
        answering.discard(self)
        self._transport.write(_HEAD)
        if cut:
            self._transport.write(b"%x\r\n" % len(body) + cut)
        self._transport.close()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _question(body: str) -> str:
    """The part of the request with the order in it, as JSON has it."""
    begin, end = body.find("[["), body.find("]]")
    return body[begin : end + 2] if begin >= 0 else ""


def _texts(value: Any) -> list[str]:
    """All texts of a request, in their order, whatever the vendor calls them."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


def _goes_on(order: Order, body: str) -> list[str]:
    """What is said by the one who is asked with what was told already."""
    whole = "".join(pieces(order))
    told = max((t for t in _texts(json.loads(body)) if t and whole.startswith(t)), key=len, default="")
    again = "" if order.goes_on != "repeats" else " ".join(told.split()[-_REPEATS[order.seed // 3 % 3] :])
    text = whole if order.goes_on == "again" or not told else f"{again} {whole[len(told) :].lstrip()}".lstrip()
    return [text[at : at + 7] for at in range(0, len(text), 7)] or [" "]


def length_of(vendor: str, order: Order) -> int:
    """Bytes of the body of a whole answer."""
    wire = WIRES[vendor]
    return len(wire.head) + sum(len(wire.piece(text)) for text in pieces(order)) + len(wire.tail)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]

    async def asked(words: dict[str, Any]) -> dict[str, Any]:
        found = dict(closed)
        closed.clear()
        return {"closed": found, "open": len(answering)}

    await serve({"port": port, "chunks": CHUNKS}, asked)


if __name__ == "__main__":
    uvloop.run(main())
