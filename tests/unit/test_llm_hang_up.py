"""Providers over a real socket: whoever leaves, hangs up; who is not there, is said not to be; a connection that was
read to its end is used again."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import pytest

from parlance import errors, providers
from services.llm.meter import METER, Meter
from services.llm.provider import Value
from services.llm.providers import PROVIDERS
from tests.ports import free_port
from tests.unit import anthropic_streams, google_streams
from tests.unit.sse_server import STALL, SseServer, serving
from tests.unit.vendor_wire import asking, read

pytest.importorskip("httpx2", reason="the extra `llm` is not installed")

ANTHROPIC = [anthropic_streams.start(), *anthropic_streams.text(0, "Jane ", "Austen."), *anthropic_streams.end()]
GOOGLE = [
    google_streams.chunk(google_streams.part("Jane ")),
    google_streams.chunk(google_streams.part("Austen."), finish="STOP", usage=google_streams.usage()),
]
# Each vendor's stream, and how much of it has the first words.
STREAMS: dict[str, tuple[str, bytes, bytes]] = {
    "anthropic": ("anthropic:m", anthropic_streams.wire(ANTHROPIC), anthropic_streams.wire(ANTHROPIC[:3])),
    "google": ("google:m", google_streams.wire(GOOGLE), google_streams.wire(GOOGLE[:1])),
}


@pytest.fixture(params=sorted(STREAMS))
def vendor(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def _made(vendor: str, url: str) -> Any:
    load: Callable[..., Any] = providers.load
    return await asyncio.to_thread(load, "llm", PROVIDERS, STREAMS[vendor][0], base_url=url, api_key="k")


async def test_leaving_in_the_middle_hangs_up_at_the_servers_socket(vendor: str) -> None:
    async with serving(STREAMS[vendor][2].decode(), STALL) as server:
        provider = await _made(vendor, server.url)
        async with aclosing(provider.answer(asking())) as values:
            assert await anext(values) == "Jane "
        await asyncio.wait_for(server.hung_up.wait(), 5)
        await provider.aclose()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancelled_reader_hangs_up_at_once(vendor: str, begun: bool) -> None:
    async with serving(*([STREAMS[vendor][2].decode()] if begun else []), STALL) as server:
        provider = await _made(vendor, server.url)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read(provider))
            await asyncio.wait_for(server.asked.wait(), 5)
            await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.wait_for(server.hung_up.wait(), 5)
        await provider.aclose()


async def test_a_server_that_is_not_there_is_said_so_and_nothing_has_left(vendor: str) -> None:
    METER.set(meter := Meter())
    provider = await _made(vendor, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(errors.Unreachable, match="running"):
        await read(provider)
    assert meter == Meter()
    await provider.aclose()


async def test_a_server_that_hangs_up_without_a_word_is_not_asked_again(vendor: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    asked: list[bytes] = []
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        provider = await _made(vendor, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(errors.Unavailable, match="broke off"):
            await read(provider)
        await provider.aclose()
    assert len(asked) == 1


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Steady(SseServer):
    """Keeps its connections, and says with `lingers` no end."""

    def __init__(self, body: bytes, lingers: bool) -> None:
        super().__init__([])
        self.body, self.lingers, self.connections = body, lingers, 0
        self.ended = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self._hear(reader)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                writer.write(f"{len(self.body):x}\r\n".encode() + self.body + b"\r\n")
                writer.write(b"" if self.lingers else b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        self.ended.release()


@pytest.mark.parametrize("lingers", [False, True])
async def test_a_connection_is_used_again_unless_its_server_says_no_end(vendor: str, lingers: bool) -> None:
    body = STREAMS[vendor][1]
    served = _Steady(body, lingers)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    provider = await _made(vendor, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        for _ in range(3):
            METER.set(meter := Meter())
            values: list[Value] = await asyncio.wait_for(read(provider), 5)
            assert values[:2] == ["Jane ", "Austen."]
            assert (meter.received, meter.whole) == (len(body), not lingers)
            assert meter.requests == 1 and meter.sent
        await provider.aclose()
        for _ in range(served.connections):
            await asyncio.wait_for(served.ended.acquire(), 5)
    assert served.connections == (3 if lingers else 1)
