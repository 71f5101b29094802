"""The provider `google` against its SDK's own chunks: the same bytes, cut at random places, mean the same."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance import errors
from parlance.v1.llm_service_pb2 import Citation, Finish, ToolCall
from services.llm.provider import Reasoning, Usage, Value
from tests.unit import google_streams as stream
from tests.unit.vendor_wire import Vendor, read

pytest.importorskip("google.genai", reason="the extra `llm` is not installed")

from google import genai
from google.genai import types

from tests.unit.test_llm_google import connected

TEXT = st.text(max_size=9)
PLACES = st.lists(st.integers(0, 100_000), max_size=40)
ARGUMENTS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=9), max_size=4)
PARTS = st.one_of(
    st.builds(stream.part, TEXT, st.sampled_from(["", stream.SIGNATURE])),
    st.builds(stream.thought, TEXT),
    st.builds(stream.call, st.sampled_from(["light", "time"]), ARGUMENTS, st.sampled_from(["", "c1"])),
)
STOPS = {
    "STOP": Finish.FINISH_STOP,
    "MAX_TOKENS": Finish.FINISH_LENGTH,
    "SAFETY": Finish.FINISH_REFUSAL,
    "PROHIBITED_CONTENT": Finish.FINISH_REFUSAL,
}
COUNTS = st.fixed_dictionaries(
    {}, optional={n: st.integers(0, 9) for n in ("thoughtsTokenCount", "cachedContentTokenCount")}
)


@st.composite
def streams(draw: st.DrawFn) -> list[stream.Chunk]:
    """A whole answer: text, thoughts and calls in any order, and what it rests on."""
    chunks = [stream.chunk(*parts) for parts in draw(st.lists(st.lists(PARTS, min_size=1, max_size=3), max_size=6))]
    pages = draw(st.lists(st.tuples(st.sampled_from(["https://a", "https://b"]), TEXT), max_size=3))
    found = {"groundingMetadata": stream.grounding(*pages)} if pages else {}
    told = stream.usage(draw(st.integers(0, 999)), draw(st.integers(0, 999)), **draw(COUNTS))
    last = stream.chunk(
        *draw(st.lists(PARTS, max_size=2)), finish=draw(st.sampled_from(sorted(STOPS))), usage=told, **found
    )
    return [*chunks, last]


async def _told(body: bytes, places: list[int]) -> list[types.GenerateContentResponse]:
    """The SDK's chunks."""
    options = types.HttpOptions(base_url="http://vendor", httpx_async_client=Vendor(body, places=places).client())
    client = genai.Client(vertexai=False, api_key="k", http_options=options)
    chunks = await client.aio.models.generate_content_stream(model="m", contents="?")
    return [chunk async for chunk in chunks]


def _parts(chunks: list[types.GenerateContentResponse]) -> list[types.Part]:
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates or ()]
    return [part for c in candidates if c.content for part in c.content.parts or ()]


def _joined(values: list[Value], kind: type) -> str:
    return "".join(v.text if isinstance(v, Reasoning) else str(v) for v in values if isinstance(v, kind))


@settings(max_examples=150, deadline=None)
@given(streams(), PLACES)
def test_the_same_bytes_mean_the_same(chunks: list[stream.Chunk], places: list[int]) -> None:
    body = stream.wire(chunks)
    ours = asyncio.run(read(connected(Vendor(body, places=places))))
    theirs = asyncio.run(_told(body, places))
    parts = _parts(theirs)
    assert _joined(ours, str) == "".join(p.text or "" for p in parts if not p.thought)
    assert _joined(ours, Reasoning) == "".join(p.text or "" for p in parts if p.thought)
    calls = [(v.name, json.loads(v.arguments)) for v in ours if isinstance(v, ToolCall)]
    assert calls == [(p.function_call.name, p.function_call.args or {}) for p in parts if p.function_call]
    last: Any = theirs[-1]
    found = (last.candidates[0].grounding_metadata or types.GroundingMetadata()).grounding_chunks or []
    assert [v.url for v in ours if isinstance(v, Citation)] == list(dict.fromkeys(p.web.uri for p in found))
    *_, usage = ours
    assert isinstance(usage, Usage) and sum(isinstance(v, Usage) for v in ours) == 1
    used = last.usage_metadata
    assert usage.input_tokens + usage.output_tokens == used.total_token_count
    assert usage.reasoning_tokens == (used.thoughts_token_count or 0)
    assert usage.cache_read_tokens == (used.cached_content_token_count or 0)
    expected = STOPS[last.candidates[0].finish_reason.value]
    assert usage.finish == (Finish.FINISH_TOOL_CALLS if calls and expected == Finish.FINISH_STOP else expected)


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(0, 100_000), PLACES)
def test_what_ends_early_is_never_whole(chunks: list[stream.Chunk], end: int, places: list[int]) -> None:
    body = stream.wire(chunks)
    # The last byte only ends an empty line.
    cut = body[: end % (len(body) - 1)]
    with pytest.raises(errors.Unavailable):
        asyncio.run(read(connected(Vendor(cut, places=places))))
