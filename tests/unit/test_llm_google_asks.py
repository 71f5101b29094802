"""What the provider `google` sends: what its SDK sends for the same."""

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
from tests.unit import google_streams as stream
from tests.unit.vendor_wire import QUESTION, Vendor, asking, read

pytest.importorskip("google.genai", reason="the extra `llm` is not installed")

from google import genai
from google.genai import types

from tests.unit.test_llm_google import connected

WHOLE = stream.wire([stream.chunk(stream.part("ok"), finish="STOP", usage=stream.usage())])
SCHEMA = '{"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}'
LIGHT = Tool(name="light", description="Switches a light.", parameters=SCHEMA)


async def sent(request: AnswerRequest, **settings: str) -> dict[str, Any]:
    vendor = Vendor(WHOLE)
    await read(connected(vendor, **settings), request)
    return vendor.asked[0]


async def sent_by_sdk(contents: list[types.Content], config: types.GenerateContentConfig) -> dict[str, Any]:
    vendor = Vendor(WHOLE)
    options = types.HttpOptions(base_url="http://vendor", httpx_async_client=vendor.client())
    client = genai.Client(vertexai=False, api_key="k", http_options=options)
    asked: Any = contents
    async for _ in await client.aio.models.generate_content_stream(model="m", contents=asked, config=config):
        pass
    return vendor.asked[0]


def _alike(found: Any) -> Any:
    """Google takes both ways to write a name; the order of tools says nothing."""
    if isinstance(found, dict):
        named = {name.replace("_", "").lower(): _alike(value) for name, value in found.items()}
        return named | ({"tools": sorted(named["tools"], key=json.dumps)} if "tools" in named else {})
    return [*map(_alike, found)] if isinstance(found, list) else found


async def test_a_whole_conversation_is_what_the_sdk_makes_of_it() -> None:
    conversation = [
        ChatMessage(role=Role.ROLE_SYSTEM, text="Be short."),
        ChatMessage(role=Role.ROLE_USER, text="What is it?", images=[Image(media_type="image/png", data=b"\x89PNG")]),
        ChatMessage(
            role=Role.ROLE_ASSISTANT,
            tool_calls=[ToolCall(id="c1", name="light", arguments='{"room": "hall"}')],
            state=[VendorState(provider="google", data=b'[{"call": "c1", "signature": "c2lnbmVk"}]')],
        ),
        ChatMessage(role=Role.ROLE_TOOL, tool_call_id="c1", text="on"),
    ]
    ours = await sent(
        asking(
            *conversation,
            tools=[LIGHT],
            tool_choice=ToolChoice.TOOL_CHOICE_REQUIRED,
            capability=Capability.CAPABILITY_WEB,
            output_schema=SCHEMA,
            effort=Effort.EFFORT_LOW,
            max_output_tokens=50,
        )
    )
    picture = types.Part(inline_data=types.Blob(data=b"\x89PNG", mime_type="image/png"))
    call = types.FunctionCall(id="c1", name="light", args={"room": "hall"})
    result = types.FunctionResponse(id="c1", name="light", response={"output": "on"})
    declared = types.FunctionDeclaration(
        name="light", description="Switches a light.", parameters_json_schema=json.loads(SCHEMA)
    )
    theirs = await sent_by_sdk(
        [
            types.Content(role="user", parts=[picture, types.Part(text="What is it?")]),
            types.Content(role="model", parts=[types.Part(function_call=call, thought_signature=b"signed")]),
            types.Content(role="user", parts=[types.Part(function_response=result)]),
        ],
        types.GenerateContentConfig(
            system_instruction="Be short.",
            max_output_tokens=50,
            tools=[types.Tool(function_declarations=[declared]), types.Tool(google_search=types.GoogleSearch())],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
            ),
            response_mime_type="application/json",
            response_json_schema=json.loads(SCHEMA),
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            store=False,
        ),
    )
    assert _alike(ours) == _alike(theirs)


async def _model_parts(said: ChatMessage) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = (await sent(asking(QUESTION, said, QUESTION)))["contents"][1]["parts"]
    return parts


async def test_signatures_go_back_to_where_they_were() -> None:
    kept = [{"text": 3, "signature": "a"}, {"call": "c1", "signature": "b"}, {"call": "own-1"}, {"signature": "c"}]
    said = ChatMessage(
        role=Role.ROLE_ASSISTANT,
        text="So.",
        tool_calls=[ToolCall(id="c1", name="light"), ToolCall(id="own-1", name="time", arguments="{}")],
        state=[VendorState(provider="google", data=json.dumps(kept).encode()), VendorState(provider="anthropic")],
    )
    first = {"functionCall": {"id": "c1", "name": "light", "args": {}}, "thoughtSignature": "b"}
    second = {"functionCall": {"name": "time", "args": {}}}
    last = {"text": "", "thoughtSignature": "c"}
    assert await _model_parts(said) == [{"text": "So.", "thoughtSignature": "a"}, first, second, last]
    said.text = "S"
    assert await _model_parts(said) == [{"text": "S"}, first, second]


async def test_calls_that_another_vendor_made_pass_for_signed() -> None:
    calls = [ToolCall(id="toolu_1", name="light"), ToolCall(id="toolu_2", name="time")]
    first, second = await _model_parts(ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=calls))
    assert "thoughtSignature" in first and "thoughtSignature" not in second


async def test_who_said_nothing_is_left_out() -> None:
    silent = ChatMessage(role=Role.ROLE_ASSISTANT, state=[VendorState(provider="anthropic", data=b"[]")])
    contents = (await sent(asking(QUESTION, silent, QUESTION)))["contents"]
    assert [content["role"] for content in contents] == ["user", "user"]


async def test_results_are_told_under_the_name_of_their_call() -> None:
    said = ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[ToolCall(id="own-1", name="time")])
    failed = ChatMessage(role=Role.ROLE_TOOL, tool_call_id="own-1", text="no clock", tool_failed=True)
    contents = (await sent(asking(QUESTION, said, failed)))["contents"]
    assert contents[2]["parts"] == [{"functionResponse": {"name": "time", "response": {"error": "no clock"}}}]
    with pytest.raises(errors.InvalidRequest, match="does not hold"):
        await sent(asking(QUESTION, failed))


@pytest.mark.parametrize(
    ("thinking", "effort", "expected"),
    [
        ("", Effort.EFFORT_UNSPECIFIED, None),
        ("", Effort.EFFORT_NONE, {"includeThoughts": False, "thinkingLevel": "MINIMAL"}),
        ("", Effort.EFFORT_HIGH, {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("budget", Effort.EFFORT_NONE, {"includeThoughts": False, "thinkingBudget": 0}),
        ("budget", Effort.EFFORT_LOW, {"includeThoughts": True, "thinkingBudget": 1024}),
        ("none", Effort.EFFORT_LOW, None),
    ],
)
async def test_an_effort_is_said_as_the_model_takes_it(
    thinking: str, effort: Effort.ValueType, expected: dict[str, Any] | None
) -> None:
    asked = await sent(asking(effort=effort), thinking=thinking)
    assert asked["generationConfig"].get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": [Tool(name="light", parameters="{")]}, "light"),
        ({"output_schema": "[]"}, "schema"),
        ({"messages": [ChatMessage(role=Role.ROLE_SYSTEM, text="Be short.")]}, "question"),
    ],
)
async def test_what_makes_no_sense_is_asked_of_nobody(fields: dict[str, Any], said: str) -> None:
    vendor = Vendor(WHOLE)
    request = AnswerRequest(**{"messages": [QUESTION], **fields})
    with pytest.raises(errors.InvalidRequest, match=said):
        await read(connected(vendor), request)
    assert vendor.asked == []
