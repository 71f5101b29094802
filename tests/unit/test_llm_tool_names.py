"""Tools have the names that a vendor takes, and get their own ones back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Tool, ToolCall
from services.llm.providers.tool_names import ANTHROPIC, GOOGLE, OPENAI, ToolNames

NAMES = st.sets(st.text(st.sampled_from("aZ9_-.: é/"), min_size=1, max_size=140) | st.just("a" * 130), max_size=8)


@pytest.mark.parametrize("takes", [OPENAI, ANTHROPIC, GOOGLE])
@given(now=NAMES, then=NAMES)
def test_no_name_is_lost_or_doubled(takes: re.Pattern[str], now: set[str], then: set[str]) -> None:
    calls = [ToolCall(id=name, name=name, arguments="{}") for name in then]
    request = AnswerRequest(tools=[Tool(name=n) for n in now], messages=[ChatMessage(tool_calls=calls)])
    names = ToolNames(request, takes)
    told = {name: names.wire(name) for name in now | then}
    assert all(takes.fullmatch(wire) for wire in told.values()) and len(set(told.values())) == len(told)
    assert all(names.ours(wire) == name for name, wire in told.items())
    assert all(told[name] == name for name in told if takes.fullmatch(name))
    asked = names.asked()
    assert [told[t.name] for t in request.tools] == [t.name for t in asked.tools]
    assert [names.answered(call) for call in asked.messages[0].tool_calls] == calls


def test_a_request_whose_names_all_fit_is_not_copied() -> None:
    request = AnswerRequest(tools=[Tool(name="weather_today")])
    assert ToolNames(request).asked() is request
    assert ToolNames(request).answered("text") == "text"
