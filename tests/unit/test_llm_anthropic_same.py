"""The provider `anthropic` against its SDK's own accumulator: the same bytes, cut at random places, mean the same."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance import errors
from parlance.v1.llm_service_pb2 import Citation, Finish, ToolCall
from services.llm.provider import Reasoning, Usage, Value
from tests.unit import anthropic_streams as stream
from tests.unit.vendor_wire import Vendor, read

pytest.importorskip("anthropic", reason="the extra `llm` is not installed")

import anthropic as sdk

from services.llm.providers.anthropic_events import CODES
from tests.unit.test_llm_anthropic import connected

PIECES = st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=5)
PLACES = st.lists(st.integers(0, 100_000), max_size=40)
PAGES = st.lists(st.tuples(st.sampled_from(["https://a", "https://b"]), st.text(max_size=5)), min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=9), max_size=4)
STOPS = {
    "end_turn": Finish.FINISH_STOP,
    "max_tokens": Finish.FINISH_LENGTH,
    "tool_use": Finish.FINISH_TOOL_CALLS,
    "pause_turn": Finish.FINISH_PAUSED,
    "refusal": Finish.FINISH_REFUSAL,
    "model_context_window_exceeded": Finish.FINISH_CONTEXT_FULL,
}


@st.composite
def _calls(draw: st.DrawFn, index: int) -> list[stream.Event]:
    whole = json.dumps(draw(ARGUMENTS))
    at = draw(st.integers(0, len(whole)))
    return stream.tool(index, draw(st.sampled_from(["light", "time"])), "", whole[:at], whole[at:])


@st.composite
def streams(draw: st.DrawFn) -> list[stream.Event]:
    """A whole answer: thoughts, text, calls, a search and what rests on it, in any order."""
    events, index = [stream.start()], 0
    for kind in draw(st.lists(st.sampled_from(["text", "thinking", "redacted", "tool", "search"]), max_size=6)):
        if kind == "search":
            pages = draw(PAGES)
            events += [*stream.search(index, "q", *pages), *stream.cited(index + 2, "so", *pages)]
            index += 2
        elif kind == "tool":
            events += draw(_calls(index))
        elif kind == "redacted":
            events += stream.redacted(index)
        else:
            events += {"text": stream.text, "thinking": stream.thinking}[kind](index, *draw(PIECES))
        index += 1
    usage = {"output_tokens": draw(st.integers(0, 999)), "cache_read_input_tokens": draw(st.none() | st.integers(0, 9))}
    return [*events, *stream.end(draw(st.sampled_from(sorted(STOPS))), **usage)]


async def _accumulated(body: bytes, places: list[int]) -> Any:
    """The SDK's message."""
    client = sdk.AsyncAnthropic(
        api_key="k", base_url="http://vendor", http_client=Vendor(body, places=places).client(), max_retries=0
    )
    question: Any = [{"role": "user", "content": "?"}]
    async with client.messages.stream(model="m", max_tokens=9, messages=question) as told:
        return await told.get_final_message()


def _joined(values: list[Value], kind: type) -> str:
    return "".join(v.text if isinstance(v, Reasoning) else str(v) for v in values if isinstance(v, kind))


@settings(max_examples=150, deadline=None)
@given(streams(), PLACES, st.booleans())
def test_the_same_bytes_mean_the_same(events: list[stream.Event], places: list[int], pings: bool) -> None:
    body = stream.wire(events, pings)
    ours = asyncio.run(read(connected(Vendor(body, places=places))))
    theirs = asyncio.run(_accumulated(body, places))
    assert _joined(ours, str) == "".join(b.text for b in theirs.content if b.type == "text")
    assert _joined(ours, Reasoning) == "".join(b.thinking for b in theirs.content if b.type == "thinking")
    calls = [(v.id, v.name, json.loads(v.arguments)) for v in ours if isinstance(v, ToolCall)]
    assert calls == [(b.id, b.name, b.input) for b in theirs.content if b.type == "tool_use"]
    pages = [c.url for b in theirs.content if b.type == "text" for c in b.citations or []]
    assert [v.url for v in ours if isinstance(v, Citation)] == list(dict.fromkeys(pages))
    *_, usage = ours
    assert isinstance(usage, Usage) and sum(isinstance(v, Usage) for v in ours) == 1
    used = theirs.usage
    assert usage.output_tokens == used.output_tokens
    assert usage.cache_read_tokens == used.cache_read_input_tokens
    cached = used.cache_creation_input_tokens + used.cache_read_input_tokens
    assert usage.input_tokens == used.input_tokens + cached
    assert usage.finish == STOPS[theirs.stop_reason]


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(0, 100_000), PLACES)
def test_what_ends_early_is_never_whole(events: list[stream.Event], end: int, places: list[int]) -> None:
    body = stream.wire(events)
    cut = body[: end % (len(body) - 1)]
    with pytest.raises(errors.Unavailable):
        asyncio.run(read(connected(Vendor(cut, places=places))))


KINDS = st.sampled_from(["overloaded_error", "rate_limit_error", "invalid_request_error", "api_error"])


@settings(max_examples=50, deadline=None)
@given(streams(), st.integers(0, 999), KINDS, PLACES)
def test_an_error_anywhere_ends_both(events: list[stream.Event], at: int, kind: str, places: list[int]) -> None:
    body = stream.wire([*events[: 1 + at % (len(events) - 1)], stream.error(kind)])
    with pytest.raises(errors.ParlanceError) as ours:
        asyncio.run(read(connected(Vendor(body, places=places))))
    with pytest.raises(sdk.APIStatusError) as theirs:
        asyncio.run(_accumulated(body, places))
    assert theirs.value.type == kind and theirs.value.status_code == 200
    assert type(ours.value) is CODES[kind][0]
