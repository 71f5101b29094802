"""Server-sent events, against the decoder of an SDK, cut wherever a network may cut them."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("anthropic", reason="the extra `llm` is not installed")

from anthropic import AsyncStream

from services.llm.providers import sse

_TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
_FIELD = st.sampled_from(["data: ", "data:", "event: ", "id: ", ": ", "retry: ", "dataset: ", ""])
_LINE = st.builds(lambda field, text: field + text, _FIELD, _TEXT) | st.just("") | st.just("data: {}")


async def _cut(body: bytes, places: list[int]) -> AsyncGenerator[bytes, None]:
    at = [0, *sorted(p % (len(body) + 1) for p in places), len(body)]
    for begin, end in pairwise(at):
        yield body[begin:end]


async def _ours(body: bytes, places: list[int]) -> list[bytes]:
    return [data async for data in sse.events(_cut(body, places))]


async def _theirs(body: bytes) -> list[bytes]:
    class Response:
        def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
            return _cut(body, [])

    return [e.data.encode() async for e in AsyncStream.raw_events(Response()) if e.data]  # type: ignore[arg-type]


@given(st.lists(_LINE, max_size=20), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 999), max_size=30))
def test_events_are_those_of_the_sdk_wherever_they_are_cut(lines: list[str], end: str, places: list[int]) -> None:
    body = "".join(line + end for line in [*lines, ""]).encode()
    ours = asyncio.run(_ours(body, places))
    assert [data for data in ours if data] == asyncio.run(_theirs(body))


async def test_lines_may_end_as_old_ones_did() -> None:
    assert await _ours(b"data: a\rdata: b\r\rdata: c\r\r\n", [8, 16, 17]) == [b"a\nb", b"c"]
    assert await _ours(b"data: a\r\rdata: b\r\r", []) == [b"a", b"b"]
    assert await _ours(b"data: a\r\rdata: b\r", []) == [b"a"]


async def test_what_no_empty_line_ends_is_no_event() -> None:
    assert await _ours(b"data: a\n\ndata: b\n", []) == [b"a"]


async def test_an_event_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LONGEST", 100)
    assert await _ours(b"data: 1\n\n" * 50, [90, 180, 270, 360]) == [b"1"] * 50
    for endless in (b"data: " + b"x" * 200, b"data: x\n" * 50):
        with pytest.raises(ValueError, match="without end"):
            await _ours(endless, [50, 99])
    with pytest.raises(ValueError, match="without end"):
        await _ours(b"data:\n" * 50, list(range(0, 300, 20)))


async def test_a_stream_that_lingers_is_not_waited_for() -> None:
    closed = asyncio.Event()

    async def lingering() -> AsyncGenerator[bytes, None]:
        try:
            yield b"more"
            await asyncio.Event().wait()
        finally:
            closed.set()

    await asyncio.wait_for(sse.read_out(lingering()), 5)
    assert closed.is_set()
