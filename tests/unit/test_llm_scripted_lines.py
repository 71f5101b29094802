"""Scripts beyond words: calls, sources, thoughts, pictures, counts, faults; and what is wrong with a line."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from parlance.errors import InvalidRequest, RateLimited, Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Citation, Finish, Image, Role, ToolCall
from services.llm.provider import Reasoning, Usage, Value
from services.llm.providers.scripted import Scripted
from tests.unit.virtual_time import virtual

WEATHER = {"name": "weather", "arguments": {"city": "Tromsø"}}


def user(text: str, *images: Image) -> ChatMessage:
    return ChatMessage(role=Role.ROLE_USER, text=text, images=images)


async def values(provider: Any, *messages: ChatMessage) -> list[Value]:
    async with aclosing(provider.answer(AnswerRequest(messages=messages))) as given:
        return [value async for value in given]


async def text(provider: Any, *messages: ChatMessage) -> str:
    return "".join(v for v in await values(provider, *messages) if isinstance(v, str))


async def test_a_tool_is_called_and_its_result_answered_with_a_source() -> None:
    cited = {"url": "https://met.example", "title": "Met"}
    answers = [
        {"after_tool": True, "contains": "3 mm", "text": "It rains.", "citations": [cited]},
        {"contains": "rain", "reasoning": "I must look.", "tool_calls": [WEATHER, {"name": "look", "id": "c7"}]},
    ]
    scripted = Scripted(answers=answers)
    *thoughts, first, second, usage = await values(scripted, user("Will it rain?"))
    assert thoughts == [Reasoning("I "), Reasoning("must "), Reasoning("look.")]
    assert isinstance(first, ToolCall) and (first.name, json.loads(first.arguments)) == ("weather", {"city": "Tromsø"})
    assert second == ToolCall(id="c7", name="look", arguments="{}") and first.id and first.id != second.id
    assert isinstance(usage, Usage) and usage.finish == Finish.FINISH_TOOL_CALLS

    asked = ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[first])
    result = ChatMessage(role=Role.ROLE_TOOL, tool_call_id=first.id, text="3 mm of rain")
    told = await values(scripted, user("Will it rain?"), asked, result)
    assert told[:-1] == ["It ", "rains.", Citation(url="https://met.example", title="Met")]


async def test_pictures_are_seen() -> None:
    scripted = Scripted(answers=[{"images": 1, "text": "A cat."}, {"images": 0, "text": "I see none."}])
    cat = Image(media_type="image/png", data=b"cat")
    assert await text(scripted, user("What is this?", cat)) == "A cat."
    assert await text(scripted, user("What is this?")) == "I see none."
    assert await text(Scripted("echo"), user("Look", cat, cat)) == "You said: Look (pictures: 2)"


async def test_counts_and_the_end_are_those_of_the_line() -> None:
    counts = {"input_tokens": 1000, "output_tokens": 20, "cache_read_tokens": 900, "reasoning_tokens": 5}
    *_, usage = await values(Scripted(answers=[{"text": "No.", "finish": "REFUSAL", "usage": counts}]), user("x"))
    assert usage == Usage(Finish.FINISH_REFUSAL, **counts)  # type: ignore[arg-type]


async def test_a_line_may_be_taken_a_few_times_only() -> None:
    answers = [{"text": "", "fail_after": 0, "error": "RATE_LIMITED", "times": 2}, {"text": "Well."}]
    scripted = Scripted(answers=answers)
    for _ in range(2):
        with pytest.raises(RateLimited):
            await values(scripted, user("x"))
    assert await text(scripted, user("x")) == "Well."


async def test_a_line_may_break_off_without_its_end() -> None:
    heard: list[Value] = []
    with pytest.raises(Unavailable):
        async with aclosing(Scripted(answers=[{"text": "a b c", "cut_after": 2}]).answer(AnswerRequest())) as given:
            async for value in given:
                heard.append(value)
    assert heard == ["a ", "b "]


@virtual
async def test_a_line_may_be_slow_and_then_silent() -> None:
    loop = asyncio.get_running_loop()
    slow = {"text": "a b c", "first_delay_s": 3, "chunk_delay_s": 0.5, "stall_after": 2}
    scripted = Scripted(answers=[slow], first_delay_s="9")
    came = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100), aclosing(scripted.answer(AnswerRequest())) as given:
            async for _ in given:
                came.append(loop.time())
    assert came == pytest.approx([3, 3.5]) and loop.time() == pytest.approx(100)


@pytest.mark.parametrize("cut", range(1, 4))
async def test_a_line_may_go_on_after_the_words_that_were_told(cut: int) -> None:
    whole = "One two  three four."
    scripted = Scripted(answers=[{"contains": "count", "text": whole, "goes_on": True}])
    heard = [v for v in (await values(scripted, user("Count!")))[:-1] if isinstance(v, str)]
    told = "".join(heard[:cut])
    again = [user("Count!"), ChatMessage(role=Role.ROLE_ASSISTANT, text=told), user("Go on.")]
    assert told + await text(scripted, *again) == whole


async def test_obey_plays_the_line_that_the_question_is() -> None:
    obey = Scripted("obey")
    asked = user(json.dumps({"text": "Yes.", "tool_calls": [WEATHER]}))
    told = await values(obey, asked)
    assert told[0] == "Yes." and isinstance(told[1], ToolCall) and told[1].name == "weather"
    assert await text(obey, user("Why?")) == "You said: Why?"
    with pytest.raises(InvalidRequest, match="the question: no line has 'says'"):
        await values(obey, user('{"says": "a"}'))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("Hello", r"answers\[1\]: it is no object"),
        ({"says": "a"}, r"answers\[1\]: no line has 'says'; known: text, contains"),
        ({"text": 5}, "'text' must be a text"),
        ({"fail_after": "2"}, "'fail_after' must be a whole number"),
        ({"fail_after": True}, "'fail_after' must be a whole number"),
        ({"after_tool": 1}, "'after_tool' must be true or false"),
        ({"first_delay_s": "slow"}, "'first_delay_s' must be a number of seconds"),
        ({"error": "OUT_OF_TEA"}, "no error is called OUT_OF_TEA"),
        ({"finish": "BORED"}, "no answer finishes with BORED"),
        ({"tool_calls": [{"arguments": {}}]}, "'tool_calls' must be a list of"),
        ({"tool_calls": [{"name": "f", "arguments": "{}"}]}, "'tool_calls' must be a list of"),
        ({"citations": ["https://a.example"]}, "'citations' must be a list of"),
        ({"usage": {"words": 3}}, "'usage' must be counts of input_tokens, output_tokens"),
        ({"usage": {"input_tokens": -1}}, "'usage' must be counts of"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_with_its_fault(entry: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=f"the script makes no sense: .*{said}"):
        Scripted(answers=[{"text": "fine"}, entry])
