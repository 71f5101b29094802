"""A TCP proxy that stands outside and counts the bytes of the bodies of HTTP/1.1 that pass: of each request, by the
number in its "question-N", and of its response. A request of which its head alone came is none. It knows nothing of
Parlance.

python -m tests.integration.counting_proxy TARGET_PORT     prints its own port; a JSON list of what passed at the end of
                                                           its standard input
"""

import asyncio
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

_MARK = re.compile(rb"question-(\d+)\b")
_LONGEST = 20


@dataclass
class Exchange:
    """`whole`: the response came to its end."""

    question: int = -1
    sent: int = 0
    received: int = 0
    status: int = 0
    whole: bool = False
    # The end of what came of the request: its number may be cut in two.
    tail: bytes = b""


@dataclass
class _Messages:
    """Bytes of one direction of a connection, message by message."""

    buffer: bytearray = field(default_factory=bytearray)
    # Bytes of the body, or of the chunk, that are still to come; None: a head is awaited; -1: until the end.
    left: int | None = None
    chunked: bool = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """("head", its bytes), ("body", some), ("end", b"")."""
        self.buffer += data
        told: list[tuple[str, bytes]] = []
        while self._step(told):
            pass
        return told

    def _step(self, told: list[tuple[str, bytes]]) -> bool:
        if self.left is None:
            return self._head(told)
        if self.left == -1:
            return self._take(told, len(self.buffer))
        if self.chunked and self.left == 0:
            return self._size(told)
        if self.left == 0:
            told.append(("end", b""))
            self.left = None
            return True
        taken = min(self.left, len(self.buffer))
        self.left -= taken
        return self._take(told, taken)

    def _take(self, told: list[tuple[str, bytes]], size: int) -> bool:
        if not size:
            return False
        told.append(("body", bytes(self.buffer[:size])))
        del self.buffer[:size]
        return True

    def _line(self, until: bytes) -> bytes | None:
        at = self.buffer.find(until)
        if at < 0:
            return None
        line = bytes(self.buffer[:at])
        del self.buffer[: at + len(until)]
        return line

    def _head(self, told: list[tuple[str, bytes]]) -> bool:
        head = self._line(b"\r\n\r\n")
        if head is None:
            return False
        told.append(("head", head))
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        self.chunked = re.search(rb"(?im)^transfer-encoding: *chunked", head) is not None
        closes = head.startswith(b"HTTP/") and length is None
        self.left = 0 if self.chunked else int(length[1]) if length else -1 if closes else 0
        return True

    def _size(self, told: list[tuple[str, bytes]]) -> bool:
        """The line before a chunk; the empty line after one is passed over."""
        while self.buffer.startswith(b"\r\n"):
            del self.buffer[:2]
        line = self._line(b"\r\n")
        if line is None:
            return False
        self.left = int(line.split(b";")[0], 16)
        if self.left == 0:
            self._line(b"\r\n")
            told.append(("end", b""))
            self.left, self.chunked = None, False
        return True


_Count = Callable[[bytes, _Messages], None]
_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Counter:
    def __init__(self, target: int) -> None:
        self._target = target
        self.seen: list[Exchange] = []

    async def serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            far_in, far_out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            near_out.close()
            return
        here: list[Exchange] = []
        with suppress(asyncio.CancelledError):
            await self._both(here, (near_in, near_out), (far_in, far_out))

    async def _both(self, here: list[Exchange], near: _Ends, far: _Ends) -> None:
        (near_in, near_out), (far_in, far_out) = near, far
        async with asyncio.TaskGroup() as group:
            up = group.create_task(self._pass(near_in, far_out, lambda data, m: self._asked(here, data, m)))
            down = group.create_task(self._pass(far_in, near_out, lambda data, m: _answered(here, data, m)))
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            # Who is left may still have something to say: a response after the client's half is closed, no more.
            await asyncio.wait([up, down], timeout=0.2)
            for writer in (near_out, far_out):
                writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: _Count) -> None:
        messages = _Messages()
        try:
            while data := await reader.read(65536):
                count(data, messages)
                writer.write(data)
                await writer.drain()
            if messages.left == -1:
                count(b"", messages)
            writer.close()
        except OSError:
            writer.transport.abort()

    def _asked(self, here: list[Exchange], data: bytes, messages: _Messages) -> None:
        for kind, part in messages.feed(data):
            if kind == "head":
                here.append(Exchange())
                self.seen.append(here[-1])
            elif kind == "body":
                here[-1].sent += len(part)
                seen = here[-1].tail + part
                if found := _MARK.search(seen):
                    here[-1].question = int(found[1])
                here[-1].tail = seen[-_LONGEST:] if not found else b""


def _answered(here: list[Exchange], data: bytes, messages: _Messages) -> None:
    open_ones = [e for e in here if not e.whole]
    for kind, part in messages.feed(data):
        if kind == "head":
            open_ones[0].status = int(part.split(b" ", 2)[1])
        elif kind == "body":
            open_ones[0].received += len(part)
        else:
            open_ones.pop(0).whole = True
    if not data and messages.left == -1 and open_ones:
        open_ones[0].whole = True


async def main(target: int) -> None:
    counter = Counter(target)
    server = await asyncio.start_server(counter.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps([_told(exchange) for exchange in counter.seen if exchange.sent]), flush=True)
    server.close()


def _told(exchange: Exchange) -> dict[str, object]:
    return {name: value for name, value in asdict(exchange).items() if name != "tail"}


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
