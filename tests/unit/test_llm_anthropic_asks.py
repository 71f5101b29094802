"""What the provider `anthropic` sends."""

import base64
import json
from typing import Any

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import (
    AnswerRequest,
    ChatMessage,
    Effort,
    Image,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    VendorState,
)
from parlance.v1.turn_pb2 import Capability
from tests.unit import anthropic_streams as stream
from tests.unit.test_llm_anthropic import connected
from tests.unit.vendor_wire import QUESTION, Vendor, asking, read

WHOLE = stream.wire([stream.start(), *stream.text(0, "ok"), *stream.end()])
KEPT = {"type": "ephemeral", "ttl": "5m"}
SCHEMA = '{"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}'
LIGHT = Tool(name="light", description="Switches a light.", parameters=SCHEMA)


async def sent(request: AnswerRequest, **settings: str) -> dict[str, Any]:
    vendor = Vendor(WHOLE)
    await read(connected(vendor, **settings), request)
    return vendor.asked[0]


async def test_system_and_question_are_kept_for_the_next_turn() -> None:
    system = ChatMessage(role=Role.ROLE_SYSTEM, text="Be short.")
    asked = await sent(asking(system, QUESTION, max_output_tokens=50))
    assert asked == {
        "model": "claude-haiku-5-5",
        "max_tokens": 50,
        "stream": True,
        "system": [{"type": "text", "text": "Be short.", "cache_control": KEPT}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Who wrote Emma?", "cache_control": KEPT}]}],
    }
    assert "cache_control" not in json.dumps(await sent(asking(system, QUESTION), cache="off"))
    assert json.dumps(await sent(asking(system, QUESTION), cache="1h")).count('"ttl": "1h"') == 2


async def test_tools_and_what_they_gave_back_with_what_was_thought_before() -> None:
    calls = [ToolCall(id="toolu_1", name="light", arguments='{"room": "hall"}'), ToolCall(id="a:b", name="time")]
    kept = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"call": "toolu_1"}, {"text": 5}, {"call": "a:b"}]
    said = ChatMessage(
        role=Role.ROLE_ASSISTANT,
        text="Wait.",
        tool_calls=calls,
        state=[VendorState(provider="anthropic", data=json.dumps(kept).encode()), VendorState(provider="google")],
    )
    results = [
        ChatMessage(role=Role.ROLE_USER, text="And the time?"),
        ChatMessage(role=Role.ROLE_TOOL, tool_call_id="toolu_1", text="on"),
        ChatMessage(role=Role.ROLE_TOOL, tool_call_id="a:b", text="no clock", tool_failed=True),
    ]
    asked = await sent(asking(QUESTION, said, *results, tools=[LIGHT], tool_choice=ToolChoice.TOOL_CHOICE_REQUIRED))
    assert asked["tools"] == [
        {"name": "light", "description": "Switches a light.", "input_schema": json.loads(SCHEMA), "cache_control": KEPT}
    ]
    assert asked["tool_choice"] == {"type": "any"}
    assert asked["messages"][1] == {
        "role": "assistant",
        "content": [
            kept[0],
            {"type": "tool_use", "id": "toolu_1", "name": "light", "input": {"room": "hall"}},
            {"type": "text", "text": "Wait."},
            {"type": "tool_use", "id": "a_b", "name": "time", "input": {}},
        ],
    }
    assert asked["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "on"},
        {"type": "tool_result", "tool_use_id": "a_b", "content": "no clock", "is_error": True},
        {"type": "text", "text": "And the time?", "cache_control": KEPT},
    ]


@pytest.mark.parametrize("calls", [[ToolCall(id="1", name="light", arguments="{}")], []])
async def test_of_words_that_were_cut_short_only_what_a_call_needs_goes_back(calls: list[ToolCall]) -> None:
    kept = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"text": 5}, {"call": "1"}]
    state = [VendorState(provider="anthropic", data=json.dumps(kept).encode())]
    said = ChatMessage(role=Role.ROLE_ASSISTANT, text="Wa", tool_calls=calls, state=state)
    content = (await sent(asking(QUESTION, said, QUESTION)))["messages"][1]["content"]
    assert [b["type"] for b in content] == (["thinking", "text", "tool_use"] if calls else ["text"])


async def test_pictures_go_before_the_words() -> None:
    seen = ChatMessage(role=Role.ROLE_USER, text="What is it?", images=[Image(media_type="image/png", data=b"\x89PNG")])
    content = (await sent(asking(seen), cache="off"))["messages"][0]["content"]
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
    assert content == [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]


@pytest.mark.parametrize(
    ("choice", "tools", "told"),
    [
        (ToolChoice.TOOL_CHOICE_AUTO, ["light", "web_search"], None),
        (ToolChoice.TOOL_CHOICE_REQUIRED, ["light", "web_search"], {"type": "any"}),
        (ToolChoice.TOOL_CHOICE_NONE, ["web_search"], None),
    ],
)
async def test_a_web_question_gets_the_vendors_own_search(
    choice: ToolChoice.ValueType, tools: list[str], told: dict[str, str] | None
) -> None:
    asked = await sent(asking(capability=Capability.CAPABILITY_WEB, tools=[LIGHT], tool_choice=choice))
    assert [tool["name"] for tool in asked["tools"]] == tools and asked.get("tool_choice") == told


async def test_who_said_nothing_is_left_out() -> None:
    silent = ChatMessage(role=Role.ROLE_ASSISTANT, state=[VendorState(provider="google", data=b"[]")])
    asked = await sent(asking(QUESTION, silent, QUESTION), cache="off")
    assert [message["role"] for message in asked["messages"]] == ["user", "user"]


async def test_an_answer_can_be_held_to_a_schema() -> None:
    asked = await sent(asking(output_schema=SCHEMA, effort=Effort.EFFORT_LOW))
    assert asked["output_config"]["effort"] == "low"
    format = asked["output_config"]["format"]
    assert format["type"] == "json_schema" and format["schema"]["additionalProperties"] is False
    assert format["schema"]["required"] == ["room"]


@pytest.mark.parametrize(
    ("thinking", "effort", "tokens", "expected"),
    [
        ("", Effort.EFFORT_UNSPECIFIED, 0, None),
        ("", Effort.EFFORT_NONE, 0, {"type": "disabled"}),
        ("", Effort.EFFORT_HIGH, 0, {"type": "adaptive", "display": "summarized"}),
        ("none", Effort.EFFORT_HIGH, 0, None),
        ("budget", Effort.EFFORT_LOW, 4000, {"type": "enabled", "budget_tokens": 1024}),
        ("budget", Effort.EFFORT_HIGH, 2000, {"type": "enabled", "budget_tokens": 1500}),
        ("budget", Effort.EFFORT_LOW, 300, {"type": "disabled"}),
    ],
)
async def test_an_effort_is_said_as_the_model_takes_it(
    thinking: str, effort: Effort.ValueType, tokens: int, expected: dict[str, Any] | None
) -> None:
    asked = await sent(asking(effort=effort, max_output_tokens=tokens), thinking=thinking)
    assert asked.get("thinking") == expected
    assert ("output_config" in asked) == (not thinking and effort == Effort.EFFORT_HIGH)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": [Tool(name="light", parameters="{")]}, "light"),
        ({"tools": [Tool(name="light", parameters='{"type": "string"}')]}, "light"),
        ({"output_schema": "[]"}, "schema"),
        ({"output_schema": "{}"}, "schema"),
    ],
)
async def test_what_is_no_schema_is_asked_of_nobody(fields: dict[str, Any], said: str) -> None:
    vendor = Vendor(WHOLE)
    with pytest.raises(errors.InvalidRequest, match=said):
        await read(connected(vendor), asking(**fields))
    assert vendor.asked == []


async def test_the_region_that_was_asked_for_is_told() -> None:
    assert (await sent(asking(), inference_geo="eu"))["inference_geo"] == "eu"
