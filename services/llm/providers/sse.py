"""Server-sent events, read no further than to their data: an SDK's typed events cost two to three times as much."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import TypeVar

import httpx2

Item = TypeVar("Item")

# No event of a vendor is as long; what is longer is no event.
_LONGEST = 32 * 1024 * 1024
# What ends its stream and yet holds it open is not waited for any longer.
_LINGERS_S = 0.25


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of each event that has some, its lines joined. One that is not ended by an empty line is none.
    ValueError for an event without end."""
    begun: list[bytes] = []
    data: list[bytes] = []
    # Bytes of what is begun, and of its lines that are whole.
    size = held = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > _LONGEST:
            raise ValueError("an event without end")
        begun.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            continue
        *lines, last = _lines(b"".join(begun))
        begun = [last]
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                held += len(line)
            elif not line and data:
                yield b"\n".join(data)
                data, held = [], 0
        size = len(last) + held
    if data and b"".join(begun) == b"\r":  # nothing followed: it was the whole end of an empty line
        yield b"\n".join(data)


def _lines(text: bytes) -> list[bytes]:
    """Lines without their ends, then what follows the last end. A \\r may be half of one: it waits for what follows."""
    half = b"\r" if text.endswith(b"\r") else b""
    body = text[: len(text) - len(half)]
    lines = body.splitlines()
    if not lines or body.endswith((b"\n", b"\r")):
        return [*lines, half]
    lines[-1] += half
    return lines


async def read_out(stream: AsyncIterator[Item]) -> list[Item]:
    """Reads on to the end after a vendor's last event, and what came: the connection can be used again, and all bytes
    were seen."""
    found: list[Item] = []
    with suppress(TimeoutError, httpx2.HTTPError, httpx2.StreamError):
        async with asyncio.timeout(_LINGERS_S):
            async for item in stream:
                found.append(item)
    return found
