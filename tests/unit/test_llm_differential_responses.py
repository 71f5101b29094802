"""What `openai` makes of a stream of Responses is what OpenAI's own accumulator makes of it."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.errors import ParlanceError, Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Citation, Finish, Tool, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage

pytest.importorskip("openai", reason="the extra `llm` is not installed")

import httpx2
import openai

from services.llm.providers import http, openai_client
from services.llm.providers.openai import OpenAI
from tests.unit.llm_streams import OBJECTS, TOOLS, WORDS, Wire, pieces_of, read, wires

GIVEN = [Tool(name=name) for name in ("f", "g_2")]
ASKED = AnswerRequest(messages=[ChatMessage(text="x")], tools=GIVEN, max_output_tokens=100_000)
WIRE = Wire()
OURS = OpenAI("m", client=openai_client.made("x", http.client(WIRE), base_url="http://model.example/v1"))
THEIRS = openai.AsyncOpenAI(
    api_key="x", base_url="http://model.example/v1", max_retries=0, http_client=httpx2.AsyncClient(transport=WIRE)
)
Event = dict[str, Any]


@st.composite
def messages(draw: st.DrawFn, at: Event) -> tuple[list[Event], Event]:
    """The events of a message, and the item that it becomes."""
    kind = draw(st.sampled_from(["output_text", "output_text", "refusal"]))
    field = "refusal" if kind == "refusal" else "text"
    words = draw(st.lists(WORDS, max_size=4))
    place = {**at, "content_index": 0}
    part: Event = {"type": kind, field: ""}
    empty = {"type": "message", "id": at["item_id"], "role": "assistant", "status": "in_progress", "content": []}
    made = [
        {"type": "response.output_item.added", **at, "item": empty},
        {"type": "response.content_part.added", **place, "part": {**part, "annotations": []}},
        *({"type": f"response.{kind}.delta", **place, "delta": w, "logprobs": []} for w in words),
    ]
    urls = draw(st.lists(st.sampled_from(["https://a.example", "https://b.example"]), max_size=2)) * (field == "text")
    cited = [{"type": "url_citation", "url": u, "title": "T", "start_index": 0, "end_index": 0} for u in urls]
    for n, one in enumerate(cited if draw(st.booleans()) else ()):
        made.append(
            {"type": "response.output_text.annotation.added", **place, "annotation_index": n, "annotation": one}
        )
    whole = {**part, field: "".join(words), "annotations": cited}
    made.append({"type": f"response.{kind}.done", **place, field: whole[field], "logprobs": []})
    return made, {**empty, "status": "completed", "content": [whole]}


@st.composite
def calls(draw: st.DrawFn, at: Event) -> tuple[list[Event], Event]:
    arguments = json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans()))
    item = {"type": "function_call", "id": at["item_id"], "call_id": f"call_{at['item_id']}", "name": draw(TOOLS)}
    pieces = draw(pieces_of(arguments))
    made = [
        {"type": "response.output_item.added", **at, "item": {**item, "arguments": "", "status": "in_progress"}},
        *({"type": "response.function_call_arguments.delta", **at, "delta": p} for p in pieces),
        {"type": "response.function_call_arguments.done", **at, "arguments": arguments},
    ]
    return made, {**item, "arguments": arguments, "status": "completed"}


@st.composite
def thoughts(draw: st.DrawFn, at: Event) -> tuple[list[Event], Event]:
    words = draw(st.lists(WORDS, max_size=3))
    item = {"type": "reasoning", "id": at["item_id"], "encrypted_content": "gA"}
    place = {**at, "summary_index": 0}
    made = [
        {"type": "response.output_item.added", **at, "item": {**item, "summary": []}},
        {"type": "response.reasoning_summary_part.added", **place, "part": {"type": "summary_text", "text": ""}},
        *({"type": "response.reasoning_summary_text.delta", **place, "delta": w} for w in words),
    ]
    return made, {**item, "summary": [{"type": "summary_text", "text": "".join(words)}], "status": "completed"}


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    base = {"id": "r", "object": "response", "created_at": 1, "model": "m", "tools": [], "parallel_tool_calls": True}
    base |= {"tool_choice": "auto", "output": []}
    made: list[Event] = [{"type": "response.created", "response": {**base, "status": "in_progress"}}]
    output = []
    for n, kind in enumerate(draw(st.lists(st.sampled_from([messages, calls, thoughts]), max_size=4))):
        at = {"item_id": f"i{n}", "output_index": n}
        events, item = draw(kind(at))
        # Some servers tell it at the end alone; then it must be there.
        done = [{"type": "response.output_item.done", **at, "item": item}] if draw(st.integers(0, 4)) else []
        made += [*events, *done]
        output.append(item)
    read_, written, cached, kept, thought = (draw(st.integers(1, 9999)) for _ in range(5))
    usage = {
        "input_tokens": read_,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": kept},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read_ + written,
    }
    whole = {**base, "status": "completed", "output": output, "usage": usage}
    made.append({"type": "response.completed", "response": whole})
    return [{**event, "sequence_number": n} for n, event in enumerate(made)]


async def theirs() -> Any:
    async with THEIRS.responses.stream(model="m", input="x") as stream:
        return await stream.get_final_response()


def ended(whole: Any) -> Finish.ValueType:
    """As the items of the answer tell it."""
    if any(item.type == "function_call" for item in whole.output):
        return Finish.FINISH_TOOL_CALLS
    parts = [part for item in whole.output if item.type == "message" for part in item.content]
    return Finish.FINISH_REFUSAL if any(part.type == "refusal" for part in parts) else Finish.FINISH_STOP


@given(st.data())
@settings(deadline=None)
def test_nothing_differs_from_the_sdks_own_reading(data: st.DataObject) -> None:
    WIRE.pieces = data.draw(wires(data.draw(answers()), named=True, done=data.draw(st.booleans())))
    *values, usage = asyncio.run(read(OURS.answer, ASKED))
    whole = asyncio.run(theirs())
    parts = [part for item in whole.output if item.type == "message" for part in item.content]
    said = "".join(part.text if part.type == "output_text" else part.refusal for part in parts)
    assert "".join(v for v in values if isinstance(v, str)) == said
    thought = "".join(s.text for item in whole.output if item.type == "reasoning" for s in item.summary)
    assert "".join(v.text for v in values if isinstance(v, Reasoning)) == thought
    called = [(i.call_id, i.name, i.arguments) for i in whole.output if i.type == "function_call"]
    assert sorted((v.id, v.name, v.arguments) for v in values if isinstance(v, ToolCall)) == sorted(called)
    cited = {a.url for part in parts if part.type == "output_text" for a in part.annotations}
    assert sorted(v.url for v in values if isinstance(v, Citation)) == sorted(cited)
    assert usage == Usage(
        ended(whole),
        whole.usage.input_tokens,
        whole.usage.output_tokens,
        cache_read_tokens=whole.usage.input_tokens_details.cached_tokens,
        cache_write_tokens=whole.usage.input_tokens_details.cache_write_tokens,
        reasoning_tokens=whole.usage.output_tokens_details.reasoning_tokens,
    )
    kept = [json.loads(v.data)["item"]["id"] for v in values if isinstance(v, VendorState)]
    assert set(kept) <= {item.id for item in whole.output if item.type == "reasoning"}


@given(st.data())
@settings(deadline=None)
def test_an_answer_that_breaks_off_anywhere_is_whole_or_an_error(data: st.DataObject) -> None:
    sent = data.draw(wires(data.draw(answers()), named=True, done=False))
    WIRE.pieces = sent[: data.draw(st.integers(0, len(sent)))]
    try:
        values = asyncio.run(read(OURS.answer, ASKED))
    except ParlanceError as failure:
        assert isinstance(failure, Unavailable)
        with pytest.raises((RuntimeError, ValueError, openai.OpenAIError)):
            asyncio.run(theirs())
        return
    assert isinstance(values[-1], Usage) and asyncio.run(theirs()).status == "completed"
