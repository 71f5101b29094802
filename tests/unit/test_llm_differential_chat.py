"""What `compatible` makes of a stream of Chat Completions is what OpenAI's own accumulator makes of it."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.errors import ParlanceError, Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Finish, Tool, ToolCall
from services.llm.provider import Reasoning, Usage

pytest.importorskip("openai", reason="the extra `llm` is not installed")

import httpx2
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from services.llm.providers import http, openai_client
from services.llm.providers.compatible import Compatible
from tests.unit.llm_streams import OBJECTS, TOOLS, WORDS, Wire, pieces_of, read, wires

GIVEN = [Tool(name=name) for name in ("f", "g_2")]
ASKED = AnswerRequest(messages=[ChatMessage(text="x")], tools=GIVEN)
WIRE = Wire()
OURS = Compatible("m", client=openai_client.made("x", http.client(WIRE), base_url="http://model.example/v1"))
THEIRS = openai.AsyncOpenAI(
    api_key="x", base_url="http://model.example/v1", max_retries=0, http_client=httpx2.AsyncClient(transport=WIRE)
)
FINISHES = {
    "stop": Finish.FINISH_STOP,
    "length": Finish.FINISH_LENGTH,
    "content_filter": Finish.FINISH_REFUSAL,
    "tool_calls": Finish.FINISH_TOOL_CALLS,
}


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}


@st.composite
def answers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The chunks of an answer: words, thoughts and calls, whose pieces come one among the other."""
    deltas: list[dict[str, Any]] = [
        {draw(st.sampled_from(["content", "content", "reasoning_content"])): words}
        for words in draw(st.lists(WORDS, max_size=6))
    ]
    calls = []
    for index in range(draw(st.integers(0, 3))):
        arguments = draw(pieces_of(json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans()))))
        first = {"index": index, "id": f"call_{index}", "type": "function"}
        deltas.append({"tool_calls": [{**first, "function": {"name": draw(TOOLS), "arguments": ""}}]})
        calls.append([{"index": index, "function": {"arguments": a}} for a in arguments])
    while any(calls):
        open_ = [c for c in calls if c]
        some = draw(st.lists(st.sampled_from(open_), min_size=1, max_size=len(open_), unique_by=id))
        deltas.append({"tool_calls": [c.pop(0) for c in some]})
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    made = [chunk({"role": "assistant", "content": None}), *map(chunk, deltas), chunk({}, finish)]
    if draw(st.booleans()):
        read_, written, cached, thought = (draw(st.integers(1, 9999)) for _ in range(4))
        details = {"prompt_tokens_details": {"cached_tokens": cached}}
        details["completion_tokens_details"] = {"reasoning_tokens": thought}
        usage = {"prompt_tokens": read_, "completion_tokens": written, "total_tokens": read_ + written, **details}
        made.append(chunk(usage=usage))
    return made


async def theirs() -> Any:
    state = ChatCompletionStreamState()
    async with await THEIRS.chat.completions.create(model="m", messages=[], stream=True) as stream:
        async for part in stream:
            state.handle_chunk(part)
    return state.current_completion_snapshot


@given(st.data())
@settings(deadline=None)
def test_nothing_differs_from_the_sdks_own_reading(data: st.DataObject) -> None:
    chunks = data.draw(answers())
    WIRE.pieces = data.draw(wires(chunks, named=False, done=True))
    *values, usage = asyncio.run(read(OURS.answer, ASKED))
    whole = asyncio.run(theirs())
    message = whole.choices[0].message
    assert "".join(v for v in values if isinstance(v, str)) == (message.content or "")
    thought = "".join(v.text for v in values if isinstance(v, Reasoning))
    assert thought == (getattr(message, "reasoning_content", None) or "")
    assert [(v.id, v.name, v.arguments) for v in values if isinstance(v, ToolCall)] == [
        (c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()
    ]
    assert isinstance(usage, Usage) and usage.finish == FINISHES[whole.choices[0].finish_reason]
    if whole.usage is None:
        assert usage.estimated
    else:
        assert (usage.input_tokens, usage.output_tokens) == (whole.usage.prompt_tokens, whole.usage.completion_tokens)
        assert usage.cache_read_tokens == whole.usage.prompt_tokens_details.cached_tokens
        assert usage.reasoning_tokens == whole.usage.completion_tokens_details.reasoning_tokens


@given(st.data())
@settings(deadline=None)
def test_an_answer_that_breaks_off_anywhere_is_whole_or_an_error(data: st.DataObject) -> None:
    chunks = data.draw(answers())
    sent = data.draw(wires(chunks, named=False, done=True))
    cut = data.draw(st.integers(0, len(sent)))
    WIRE.pieces = sent[:cut]
    try:
        values = asyncio.run(read(OURS.answer, ASKED))
    except ParlanceError as failure:
        assert isinstance(failure, Unavailable)
        return
    whole = asyncio.run(theirs())
    assert whole.choices[0].finish_reason and isinstance(values[-1], Usage)
    assert "".join(v for v in values if isinstance(v, str)) == (whole.choices[0].message.content or "")
