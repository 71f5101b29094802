"""The proxy of the chaos runs does what it is told, to whom it is told."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.chaos.proxy import Proxy, owner
from tests.ports import free_port


@asynccontextmanager
async def _echo() -> AsyncIterator[Proxy]:
    """Before a server that says everything back. Who connects is "here"."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.read(100):
                writer.write(line)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(say, "127.0.0.1", port):
        proxy = Proxy(free_port(), port, lambda: {os.getpid(): "here"})
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()
            await asyncio.sleep(0.05)  # for the server to notice


async def _said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float = 5.0) -> bytes:
    writer.write(b"hello")
    async with asyncio.timeout(seconds):
        return await reader.read(100)


async def test_what_is_held_comes_when_it_is_healed() -> None:
    async with _echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await _said(reader, writer) == b"hello"
        proxy.hold("somebody else")
        assert await _said(reader, writer) == b"hello"
        proxy.hold("here")
        with pytest.raises(TimeoutError):
            await _said(reader, writer, 0.2)
        proxy.heal()
        assert await reader.read(100) == b"hello"
        writer.close()


async def test_what_is_delayed_comes_late() -> None:
    async with _echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.delay(0.1)
        began = time.monotonic()
        assert await _said(reader, writer) == b"hello"
        assert time.monotonic() - began >= 0.2, "on both ways"
        writer.close()


async def test_a_cut_connection_is_reset_and_the_next_one_passes() -> None:
    async with _echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await _said(reader, writer) == b"hello"
        assert proxy.cut("somebody else") == 0 and await _said(reader, writer) == b"hello"
        assert proxy.cut("here") == 1
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await _said(reader, writer) == b"hello"
        writer.close()


async def test_nobody_behind_it_looks_like_nobody() -> None:
    proxy = Proxy(free_port(), free_port())
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    await proxy.stop()


def test_nobody_holds_a_port_that_is_not_connected() -> None:
    assert owner(free_port(), {os.getpid(): "here"}) == ""
