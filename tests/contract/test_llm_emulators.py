"""Every vendor's provider against servers that nobody here wrote: whole answers."""

import json
import time

import pytest

from parlance.v1.llm_service_pb2 import ChatMessage, Effort, Finish, Role, Tool, ToolCall, VendorState
from services.llm.provider import Usage
from tests.contract.llm_emulated import given, pairs, question, started, upstream
from tests.contract.llm_upstreams import SLOW_S, TEXT, Upstream
from tests.contract.llm_vendors import Vendor

pytest.importorskip("llmock", reason="the extra `dev` is not installed")

__all__ = ["started", "upstream"]

SCHEMA = '{"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}'
TOOLS = [
    Tool(name="light", description="Switches a light.", parameters=SCHEMA),
    Tool(name="time", description="Tells the time.", parameters='{"type": "object", "properties": {}}'),
]


@pairs("plain", "slow", "cut short", "refused")
async def test_an_answer_is_streamed_and_then_counted_once(case: str, vendor: Vendor, upstream: Upstream) -> None:
    began = time.monotonic()
    found = await given(vendor, upstream, question(upstream.tell(case)))
    *texts, usage = found.values
    assert found.error is None and found.text == TEXT
    assert len(texts) >= 4 and all(isinstance(text, str) and text for text in texts)
    assert isinstance(usage, Usage) and usage.finish == {
        "cut short": Finish.FINISH_LENGTH,
        "refused": Finish.FINISH_REFUSAL,
    }.get(case, Finish.FINISH_STOP)
    assert upstream.asked() == 1
    assert found.meter.whole and found.meter.requests == 1 and found.meter.sent and found.meter.received > len(TEXT)
    if case == "slow":
        assert time.monotonic() - began >= SLOW_S


@pairs("tools")
async def test_calls_come_whole_and_in_order(case: str, vendor: Vendor, upstream: Upstream) -> None:
    found = await given(vendor, upstream, question(upstream.tell(case), tools=TOOLS))
    assert found.error is None
    calls = [value for value in found.values if isinstance(value, ToolCall)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("light", {"room": "hall"}), ("time", {})]
    assert len({call.id for call in calls}) == 2
    assert [usage.finish for usage in found.usages] == [Finish.FINISH_TOOL_CALLS]


@pairs("mixed")
async def test_words_after_a_call_are_not_lost(case: str, vendor: Vendor, upstream: Upstream) -> None:
    found = await given(vendor, upstream, question(upstream.tell(case), tools=TOOLS))
    assert found.error is None and found.text == TEXT
    assert [value.name for value in found.values if isinstance(value, ToolCall)] == ["light"]
    assert [usage.finish for usage in found.usages] == [Finish.FINISH_TOOL_CALLS]


@pairs("results")
async def test_what_tools_gave_back_is_taken_in(case: str, vendor: Vendor, upstream: Upstream) -> None:
    asked = ChatMessage(role=Role.ROLE_USER, text=upstream.tell(case))
    calls = [ToolCall(id="a", name="light", arguments='{"room": "hall"}'), ToolCall(id="b", name="time")]
    said = ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=calls)
    results = [ChatMessage(role=Role.ROLE_TOOL, tool_call_id=call.id, text="done") for call in calls]
    request = question("", asked, said, *results, tools=TOOLS)
    del request.messages[-1]
    found = await given(vendor, upstream, request)
    assert found.error is None and found.text == TEXT and len(found.usages) == 1


@pairs("schema")
async def test_an_answer_that_fits_a_schema(case: str, vendor: Vendor, upstream: Upstream) -> None:
    found = await given(vendor, upstream, question(upstream.tell(case), output_schema=SCHEMA))
    assert found.error is None and json.loads(found.text) == {"room": "hall"} and len(found.usages) == 1


@pairs("thinking")
async def test_thoughts_are_told_apart_and_come_first(case: str, vendor: Vendor, upstream: Upstream) -> None:
    found = await given(vendor, upstream, question(upstream.tell(case), effort=Effort.EFFORT_LOW))
    assert found.error is None and found.text == TEXT
    assert found.thoughts == "I look out of the window first."
    spoken = [n for n, value in enumerate(found.values) if isinstance(value, str)]
    assert spoken[0] == len(found.values) - len(spoken) - 1 - sum(isinstance(v, VendorState) for v in found.values)
