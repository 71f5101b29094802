"""The provider `openai`, over a real socket: what is asked of the Responses API, and what its streams become."""

import json
from contextlib import aclosing
from typing import Any

import pytest

from parlance.v1.llm_service_pb2 import (
    AnswerRequest,
    ChatMessage,
    Citation,
    Effort,
    Finish,
    Image,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    VendorState,
)
from parlance.v1.turn_pb2 import Capability
from services.llm.provider import Reasoning, Usage, Value
from tests.unit.responses_events import done, ended, event, text
from tests.unit.sse_server import serving

pytest.importorskip("openai", reason="the extra `llm` is not installed")

from services.llm.providers.openai import OpenAI

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
WEATHER = Tool(name="weather.today", description="The weather.", parameters=SCHEMA)
RAIN = ChatMessage(role=Role.ROLE_USER, text="Rain?")
ASKED = AnswerRequest(messages=[RAIN])


async def told(*script: str, request: AnswerRequest = ASKED) -> tuple[list[Value], dict[str, Any]]:
    """What the provider made of the stream, and what it had sent for it."""
    async with serving(event("response.created", response={}), *script) as server:
        provider = OpenAI("gpt", base_url=server.url, api_key="k")
        async with aclosing(provider.answer(request)) as values:
            found = [value async for value in values]
        await provider.aclose()
    return found, server.requests[0]


async def test_an_answer_is_streamed_with_its_inclusive_count_last() -> None:
    values, sent = await told(text("It "), text("rains."), ended())
    assert values == ["It ", "rains.", Usage(Finish.FINISH_STOP, 30, 12, False, 20, 6, 5)]
    assert sent["store"] is False and sent["include"] == ["reasoning.encrypted_content"] and sent["stream"]
    assert sent["input"] == [{"role": "user", "content": "Rain?"}] and "tools" not in sent


async def test_thoughts_come_back_before_what_they_led_to() -> None:
    summary = {"item_id": "r", "output_index": 0}
    call = {"call_id": "c1", "name": "weather_today", "arguments": '{"city": "Oslo"}', "status": "completed"}
    values, sent = await told(
        event("response.reasoning_summary_text.delta", summary_index=0, delta="Where?", **summary),
        event("response.reasoning_summary_part.added", summary_index=1, **summary),
        event("response.reasoning_summary_text.delta", summary_index=1, delta="Oslo.", **summary),
        done(0, "reasoning", id="r", summary=[], encrypted_content="gAAA", status="completed"),
        done(1, "function_call", id="f", **call),
        ended(),
        request=AnswerRequest(messages=[RAIN], tools=[WEATHER], tool_choice=ToolChoice.TOOL_CHOICE_REQUIRED),
    )
    assert values[:3] == [Reasoning("Where?"), Reasoning("\n\n"), Reasoning("Oslo.")]
    state, called, usage = values[3:]
    assert isinstance(state, VendorState) and isinstance(usage, Usage) and usage.finish == Finish.FINISH_TOOL_CALLS
    assert called == ToolCall(id="c1", name="weather.today", arguments='{"city": "Oslo"}')
    (tool,) = sent["tools"]
    assert tool["name"] == "weather_today" and tool["parameters"] == json.loads(SCHEMA) and tool["strict"] is False
    assert sent["tool_choice"] == "required"

    said = ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[called], state=[state])
    result = ChatMessage(role=Role.ROLE_TOOL, tool_call_id="c1", text="3 mm", tool_failed=False)
    _, sent = await told(ended(), request=AnswerRequest(messages=[RAIN, said, result], tools=[WEATHER]))
    assert sent["input"][1:] == [
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "weather_today", "arguments": '{"city": "Oslo"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "3 mm"},
    ]


async def test_a_thought_goes_back_only_with_calls_and_only_before_what_it_led_to() -> None:
    thought = done(0, "reasoning", id="r", summary=[], encrypted_content="gAAA")
    said = [text("I look."), done(1, "message", id="m", content=[{"type": "output_text", "text": "I look."}])]
    values, _ = await told(thought, *said, ended())
    assert not [v for v in values if isinstance(v, VendorState)]
    call = done(2, "function_call", call_id="c1", name="weather_today", arguments="{}")
    request = AnswerRequest(messages=[RAIN], tools=[WEATHER])
    values, _ = await told(thought, *said, call, ended(), request=request)
    assert [type(v) for v in values] == [str, VendorState, ToolCall, Usage]
    state, called = [v for v in values if isinstance(v, VendorState)], [v for v in values if isinstance(v, ToolCall)]
    for heard, kinds in (("I look.", ["reasoning", "I look.", "function_call"]), ("", ["function_call"])):
        again = ChatMessage(role=Role.ROLE_ASSISTANT, text=heard, state=state, tool_calls=called)
        _, sent = await told(ended(), request=AnswerRequest(messages=[again], tools=[WEATHER]))
        assert [item.get("type") or item["content"] for item in sent["input"]] == kinds


async def test_a_web_question_is_searched_and_its_sources_named_once() -> None:
    cited = {
        "type": "url_citation",
        "url": "https://met.example/oslo",
        "title": "Met",
        "start_index": 0,
        "end_index": 4,
    }
    values, sent = await told(
        event("response.web_search_call.searching", output_index=0, item_id="w"),
        done(0, "web_search_call", id="w", status="completed"),
        text("Rain."),
        event("response.output_text.annotation.added", output_index=1, content_index=0, annotation=cited),
        done(1, "message", id="m", content=[{"type": "output_text", "text": "Rain.", "annotations": [cited]}]),
        ended(),
        request=AnswerRequest(messages=[RAIN], capability=Capability.CAPABILITY_WEB),
    )
    assert sent["tools"] == [{"type": "web_search"}] and sent["max_tool_calls"] == 3
    assert [v for v in values if isinstance(v, Citation)] == [Citation(url="https://met.example/oslo", title="Met")]


async def test_pictures_schema_and_effort_are_sent() -> None:
    picture = Image(media_type="image/png", data=b"\x89PNG")
    asked = ChatMessage(role=Role.ROLE_USER, text="What is this?", images=[picture])
    request = AnswerRequest(messages=[asked], output_schema=SCHEMA, effort=Effort.EFFORT_HIGH, max_output_tokens=5)
    _, sent = await told(ended(), request=request)
    assert sent["input"][0]["content"] == [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBORw=="},
    ]
    format_ = {"type": "json_schema", "name": "answer", "schema": json.loads(SCHEMA), "strict": False}
    assert sent["text"] == {"format": format_} and sent["max_output_tokens"] == 16
    assert sent["reasoning"] == {"effort": "high", "summary": "auto"}


@pytest.mark.parametrize(
    ("last", "finish"),
    [
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), Finish.FINISH_LENGTH),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), Finish.FINISH_REFUSAL),
        (ended(status="incomplete"), Finish.FINISH_LENGTH),
        (event("response.refusal.delta", item_id="m", delta="No.") + ended(), Finish.FINISH_REFUSAL),
        (event("response.completed", response={}), Finish.FINISH_STOP),
    ],
)
async def test_each_end_is_told_as_it_was(last: str, finish: Finish.ValueType) -> None:
    values, _ = await told(text("Well, "), last)
    assert values[0] == "Well, " and isinstance(values[-1], Usage) and values[-1].finish == finish
    assert values[-1].output_tokens > 0


async def test_an_answer_that_ends_at_the_limit_was_cut_off_by_it() -> None:
    counted = {"input_tokens": 3, "output_tokens": 20}
    for most, finish in ((20, Finish.FINISH_LENGTH), (21, Finish.FINISH_STOP)):
        request = AnswerRequest(messages=[RAIN], max_output_tokens=most)
        values, _ = await told(text("Well"), ended(usage=counted), request=request)
        assert values[-1] == Usage(finish, 3, 20)


async def test_a_message_that_came_in_one_piece_is_said() -> None:
    item = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "Rain."}]}
    for script in ([done(0, "message", id="m", content=item["content"]), ended(output=[item])], [ended(output=[item])]):
        values, _ = await told(*script)
        assert values[:-1] == ["Rain."]
