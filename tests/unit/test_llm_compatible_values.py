"""`compatible` beyond text: tools, pictures, thoughts, schemas and counts, over a real socket."""

import json
from contextlib import aclosing
from typing import Any

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import (
    AnswerRequest,
    ChatMessage,
    Effort,
    Finish,
    Image,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    VendorState,
)
from services.llm.provider import Reasoning, Usage, Value
from tests.unit.sse_server import DONE, event, serving

pytest.importorskip("openai", reason="the extra `llm` is not installed")

from services.llm.providers.compatible import Compatible

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
WEATHER = Tool(name="weather.today", description="The weather.", parameters=SCHEMA)
ASKED = AnswerRequest(
    messages=[ChatMessage(role=Role.ROLE_USER, text="Rain?")], tools=[WEATHER, Tool(name="f"), Tool(name="g")]
)


def delta(finish: str | None = None, **fields: Any) -> str:
    chunk = {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk)}\n\n"


def piece(arguments: Any = "", **fields: Any) -> str:
    """A piece of a tool call."""
    function = {"arguments": arguments}
    if name := fields.pop("name", ""):
        function["name"] = name
    return delta(tool_calls=[{**fields, "function": function}])


async def told(*script: str, request: AnswerRequest = ASKED) -> tuple[list[Value], dict[str, Any]]:
    """What the provider made of the stream, and what it had sent for it."""
    async with serving(*script, DONE) as server:
        provider = Compatible("tiny", base_url=server.url)
        async with aclosing(provider.answer(request)) as values:
            found = [value async for value in values]
        await provider.aclose()
    return found, server.requests[0]


def calls(values: list[Value]) -> list[tuple[str, str, str]]:
    return [(v.id, v.name, v.arguments) for v in values if isinstance(v, ToolCall)]


async def test_parallel_calls_are_gathered_whole_under_the_tools_own_names() -> None:
    values, sent = await told(
        piece('{"city": ', index=0, id="a", name="weather_today"),
        piece('{"ci', index=1, id="b", name="weather_today"),
        piece('"Oslo"}', index=0),
        piece('ty": "Rome"}', index=1),
        delta("tool_calls"),
    )
    assert calls(values) == [
        ("a", "weather.today", '{"city": "Oslo"}'),
        ("b", "weather.today", '{"city": "Rome"}'),
    ]
    assert isinstance(values[-1], Usage) and values[-1].finish == Finish.FINISH_TOOL_CALLS
    assert sent["tools"][0]["function"] == {
        "name": "weather_today",
        "description": "The weather.",
        "parameters": json.loads(SCHEMA),
    }
    assert "tool_choice" not in sent


@pytest.mark.parametrize(
    "script",
    [
        # All are number 0, as some servers have it.
        [piece("{}", index=0, id="a", name="f"), piece("{}", index=0, id="b", name="g")],
        # No numbers and no ids.
        [piece({}, name="f"), piece({}, name="g")],
        # Id and name with each piece.
        [
            piece("{", index=0, id="a", name="f"),
            piece("}", index=0, id="a", name="f"),
            piece("{}", index=1, id="b", name="g"),
        ],
        # The same id twice.
        [piece("{}", index=0, id="call_0", name="f"), piece("", index=1, id="call_0", name="g")],
    ],
)
async def test_servers_with_habits_of_their_own_are_understood(script: list[str]) -> None:
    values, _ = await told(*script, delta("stop"))
    found = calls(values)
    assert [(name, arguments) for _, name, arguments in found] == [("f", "{}"), ("g", "{}")]
    assert len({id_ for id_, *_ in found if id_}) == 2
    assert isinstance(values[-1], Usage) and values[-1].finish == Finish.FINISH_TOOL_CALLS


async def test_a_call_that_the_limit_cut_off_is_not_made() -> None:
    values, _ = await told(piece('{"city": "Os', index=0, id="a", name="f"), delta("length"))
    assert calls(values) == [] and isinstance(values[-1], Usage) and values[-1].finish == Finish.FINISH_LENGTH


@pytest.mark.parametrize("arguments", ['{"city"', "[1]", '"Oslo"'])
async def test_a_call_with_what_is_no_object_is_an_error(arguments: str) -> None:
    with pytest.raises(errors.Unavailable, match="JSON object"):
        await told(piece(arguments, index=0, id="a", name="f"), delta("tool_calls"))


async def test_a_call_of_a_tool_that_was_not_given_is_nobodys() -> None:
    with pytest.raises(errors.Unavailable, match="not given"):
        await told(piece("{}", index=0, id="a", name="rm"), delta("tool_calls"))


async def test_calls_and_results_go_back_as_the_server_knows_them() -> None:
    request = AnswerRequest(
        tools=[WEATHER],
        tool_choice=ToolChoice.TOOL_CHOICE_REQUIRED,
        messages=[
            ChatMessage(
                role=Role.ROLE_ASSISTANT,
                tool_calls=[ToolCall(id="a", name="weather.today", arguments="{}")],
                state=[
                    VendorState(provider="compatible", data=b'{"model": "tiny", "reasoning": "Hm."}'),
                    VendorState(provider="compatible", data=b'{"model": "other", "reasoning": "No."}'),
                    VendorState(provider="anthropic", data=b"signed"),
                ],
            ),
            ChatMessage(role=Role.ROLE_TOOL, text="no such city", tool_call_id="a", tool_failed=True),
        ],
    )
    _, sent = await told(event("ok", "stop"), request=request)
    assert sent["tool_choice"] == "required"
    assert sent["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather_today", "arguments": "{}"}}],
            "reasoning_content": "Hm.",
        },
        {"role": "tool", "tool_call_id": "a", "content": "Error: no such city"},
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thoughts_are_told_apart_and_kept_for_the_tools_result(field: str) -> None:
    values, _ = await told(
        delta(**{field: "Hm, "}), delta(**{field: "rain."}), piece("{}", index=0, id="a", name="f"), delta("stop")
    )
    assert values[:2] == [Reasoning("Hm, "), Reasoning("rain.")]
    (state,) = [v for v in values if isinstance(v, VendorState)]
    assert json.loads(state.data) == {"model": "tiny", "reasoning": "Hm, rain."}


async def test_pictures_schema_and_effort_are_sent() -> None:
    closed = (
        '{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}'
    )
    picture = Image(media_type="image/png", data=b"\x89PNG")
    request = AnswerRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, text="What is this?", images=[picture])],
        output_schema=closed,
        effort=Effort.EFFORT_LOW,
    )
    _, sent = await told(event("{}", "stop"), request=request)
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]
    format_ = {"name": "answer", "schema": json.loads(closed), "strict": True}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": format_}
    assert sent["reasoning_effort"] == "low" and "tools" not in sent


async def test_an_open_schema_is_not_sent_as_a_strict_one() -> None:
    _, sent = await told(event("{}", "stop"), request=AnswerRequest(output_schema=SCHEMA, messages=ASKED.messages))
    assert sent["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize("schema", ['{"type": "objekt"}', "{", '{"type": "string"}', "[]"])
async def test_a_schema_that_is_none_names_its_tool_and_is_asked_of_nobody(schema: str) -> None:
    async with serving(event("ok", "stop"), DONE) as server:
        provider = Compatible("tiny", base_url=server.url)
        with pytest.raises(errors.InvalidRequest, match="the tool lamp"):
            await anext(
                provider.answer(AnswerRequest(messages=ASKED.messages, tools=[Tool(name="lamp", parameters=schema)]))
            )
        await provider.aclose()
    assert server.requests == []


async def test_a_refusal_is_said_and_named() -> None:
    values, _ = await told(delta(refusal="I'd rather "), delta(refusal="not."), delta("stop"))
    assert values[:2] == ["I'd rather ", "not."]
    assert isinstance(values[-1], Usage) and values[-1].finish == Finish.FINISH_REFUSAL


@pytest.mark.parametrize(("total", "written"), [(30, 20), (35, 25), (0, 20)])
async def test_all_that_was_written_is_counted_once(total: int, written: int) -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    values, _ = await told(event("ok", "stop"), f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n")
    assert values[-1] == Usage(Finish.FINISH_STOP, 10, written, False, 4, 3, 5)


async def test_nothing_of_the_environment_is_told_to_a_strangers_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: canary")
    async with serving(event("ok", "stop"), DONE) as server:
        provider = Compatible("tiny", base_url=server.url)
        assert "ok" in [value async for value in provider.answer(ASKED)]
        await provider.aclose()
    (head,) = server.heads
    assert "canary" not in head and "Accept-Encoding: identity" in head
