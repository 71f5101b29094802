"""The same bytes, cut at random places, read by a provider of ours and by a vendor's SDK."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import httpx2
from hypothesis import strategies as st

from services.llm.provider import Value

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
# Those that the model is given.
TOOLS = st.sampled_from(["f", "g_2"])
OBJECTS = st.dictionaries(
    WORDS, st.one_of(WORDS, st.integers(-99, 99), st.none(), st.lists(WORDS, max_size=2)), max_size=3
)


@st.composite
def pieces_of(draw: st.DrawFn, text: str, most: int = 4) -> list[str]:
    """The text in pieces, none of them empty."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=most - 1)))
    marks = [0, *(c for c in cuts if c < len(text)), len(text)]
    return [text[a:b] for a, b in pairwise(marks) if a < b]


@st.composite
def wires(draw: st.DrawFn, events: list[dict[str, Any]], named: bool, done: bool) -> list[bytes]:
    """The events as a server may write them, in the pieces in which they may arrive. `named`: each says its type in a
    line of its own."""
    end, plain = draw(ENDS), draw(st.booleans())
    lines = []
    for event in events:
        if draw(st.integers(0, 5)) == 0:
            lines.append(": still here" + end * draw(st.integers(1, 2)))
        if named:
            lines.append(f"event: {event['type']}{end}")
        lines.append(f"data:{draw(st.sampled_from([' ', '']))}{json.dumps(event, ensure_ascii=plain)}{end}{end}")
    if done:
        lines.append(f"data: [DONE]{end}{end}")
    whole = "".join(lines).encode()
    cuts = sorted(draw(st.sets(st.integers(1, len(whole)), max_size=12)))
    marks = [0, *cuts, len(whole)]
    return [whole[a:b] for a, b in pairwise(marks) if a < b]


class Wire(httpx2.AsyncBaseTransport):
    """A server that answers everything with `pieces`."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=_Body(self.pieces))


class _Body(httpx2.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def read(answer: Callable[[Any], Any], request: Any) -> list[Value]:
    async with aclosing(answer(request)) as values:
        return [value async for value in values]
