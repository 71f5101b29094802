"""The emulated model, asked by OpenAI's official SDK over a real socket."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("openai", reason="the extra `llm` is not installed")

import httpx2
import openai

from infra.emulators import settings
from infra.emulators.model import Model

TEXT = "One two three four."
ASKED = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Who wrote Emma?"}]


@asynccontextmanager
async def emulated(**said: Any) -> AsyncGenerator[tuple[Model, Any], None]:
    """The server, and the SDK's client of it. Without a setting: four words, without delay."""
    how = settings.made({"answers": [{"text": TEXT}], "first_delay_s": 0, "chunk_delay_s": 0, **said})
    async with (
        Model(how).serving() as model,
        openai.AsyncOpenAI(base_url=model.url, api_key="none", max_retries=0) as client,
    ):
        yield model, client


async def ask(client: Any, text: str = "Who wrote Emma?", **more: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return await client.chat.completions.create(**{"model": "emulated", "messages": messages, **more})


async def read(client: Any, text: str = "Who wrote Emma?", **more: Any) -> list[Any]:
    async with await ask(client, text, stream=True, **more) as stream:
        return [chunk async for chunk in stream]


def words(chunks: list[Any]) -> list[str]:
    return [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not so():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("chunk_delay_s", [0, 0.01])
async def test_an_answer_is_streamed_word_by_word_and_ends_with_what_it_used(chunk_delay_s: float) -> None:
    async with emulated(chunk_delay_s=chunk_delay_s) as (model, client):
        chunks = await read(client, messages=ASKED, stream_options={"include_usage": True})
    assert words(chunks) == ["One ", "two ", "three ", "four."]
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-2].choices[0].finish_reason == "stop"
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 4, 9)
    assert model.ended == {"answered": 1}


async def test_a_stream_tells_its_usage_only_where_it_is_asked_for() -> None:
    async with emulated() as (_, client):
        chunks = await read(client)
    assert words(chunks) and not [c for c in chunks if c.usage] and all(c.choices for c in chunks)


async def test_an_answer_that_is_not_streamed_comes_whole_with_what_it_used() -> None:
    async with emulated() as (_, client):
        answer = await ask(client, messages=ASKED)
    assert answer.choices[0].message.content == TEXT and answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 4)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_an_answer_is_no_longer_than_asked_and_says_so(name: str) -> None:
    async with emulated() as (_, client):
        limit: dict[str, Any] = {name: 2}
        answer = await ask(client, **limit)
    assert answer.choices[0].message.content == "One two " and answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 2


async def test_the_models_that_there_are_are_listed_and_another_one_is_not_there() -> None:
    async with emulated(models=["small", "large"]) as (_, client):
        assert [m.id async for m in client.models.list()] == ["small", "large"]
        assert (await ask(client, model="large")).model == "large"
        with pytest.raises(openai.NotFoundError) as caught:
            await ask(client, model="emulated")
    assert caught.value.code == "model_not_found"


async def test_what_is_answered_goes_by_words_in_the_last_question() -> None:
    answers = [{"contains": "Weather", "text": "Sunny."}, {"text": "No idea."}]
    parts = [{"type": "text", "text": "and the weather?"}]
    async with emulated(answers=answers) as (_, client):
        told = [
            (await ask(client, messages=messages)).choices[0].message.content
            for messages in (
                [*ASKED, {"role": "user", "content": parts}],
                [{"role": "user", "content": "weather"}, {"role": "assistant", "content": "Sunny."}, ASKED[1]],
            )
        ]
    assert told == ["Sunny.", "No idea."]


async def test_the_first_word_and_every_further_one_take_their_time() -> None:
    async with emulated(first_delay_s=0.2, chunk_delay_s=0.1) as (_, client):
        began, came = time.monotonic(), []
        async with await ask(client, stream=True) as stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    came.append(time.monotonic() - began)
    assert came[0] >= 0.2 and came[-1] >= 0.5


async def test_so_many_are_answered_at_once_and_the_others_wait() -> None:
    async with emulated(slots=2, first_delay_s=0.2) as (_, client):
        began, ends = time.monotonic(), []

        async def one() -> None:
            await ask(client)
            ends.append(time.monotonic() - began)

        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(one())
    assert sum(end < 0.4 for end in ends) <= 2 and sum(end < 0.6 for end in ends) <= 4 and max(ends) >= 0.6


async def test_who_hangs_up_frees_its_slot_and_who_waited_and_went_never_takes_one() -> None:
    async with emulated(slots=1, first_delay_s=60) as (model, client):
        asking = [asyncio.create_task(ask(client)) for _ in range(3)]
        await until(lambda: model.taken == 3)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        await until(lambda: model.ended == {"hung up": 3})


async def test_a_refusal_says_when_to_come_again() -> None:
    async with emulated(faults=[{"fault": "429", "contains": "often", "retry_after_s": 7}]) as (model, client):
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(client, "too OFTEN", stream=True)
        assert words(await read(client, "once")) == ["One ", "two ", "three ", "four."]
    assert caught.value.response.headers["retry-after"] == "7" and caught.value.code == "rate_limit_exceeded"
    assert model.ended == {"429": 1, "answered": 1}


async def test_a_failure_is_a_500() -> None:
    async with emulated(faults=[{"fault": "500"}]) as (_, client):
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(client)
    assert caught.value.status_code == 500 and caught.value.type == "server_error"


@pytest.mark.parametrize(("after", "stream"), [(0, True), (2, True), (0, False)])
async def test_a_stall_lasts_until_the_client_hangs_up_and_frees_the_slot_then(after: int, stream: bool) -> None:
    came: list[Any] = []

    async def listen(client: Any) -> None:
        async with await ask(client, "stall", stream=stream) as answer:
            async for chunk in answer:
                came.append(chunk)

    async with emulated(slots=1, faults=[{"fault": "stall", "contains": "stall", "after": after}]) as (model, client):
        listening = asyncio.create_task(listen(client))
        await until(lambda: model.taken == 1 and len(words(came)) == after)
        ended, _ = await asyncio.wait([listening], timeout=0.3)
        assert not ended and len(words(came)) == after
        listening.cancel()
        await asyncio.wait([listening])
        await until(lambda: model.ended == {"stall": 1})
        assert words(await read(client))


@pytest.mark.parametrize(("more", "heard"), [({}, 2), ({"after": 0}, 0), ({"after": 99}, 4)])
@pytest.mark.parametrize("chunk_delay_s", [0, 0.01])
async def test_a_cut_ends_a_stream_in_the_middle(more: dict[str, int], heard: int, chunk_delay_s: float) -> None:
    came: list[Any] = []
    async with emulated(chunk_delay_s=chunk_delay_s, faults=[{"fault": "cut", **more}]) as (_, client):
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            async with await ask(client, stream=True) as answer:
                async for chunk in answer:
                    came.append(chunk)
    assert len(words(came)) == heard and not [c for c in came if c.choices[0].finish_reason]


async def test_a_cut_breaks_a_whole_answer_too() -> None:
    async with emulated(faults=[{"fault": "cut"}]) as (_, client):
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            await ask(client)


async def test_a_fault_strikes_its_share_of_the_questions_and_the_same_ones_again_with_the_same_seed() -> None:
    async def struck(seed: int) -> list[bool]:
        async with emulated(seed=seed, faults=[{"fault": "429", "share": 0.3}]) as (_, client):
            return [await _refused(client) for _ in range(60)]

    first = await struck(1)
    assert 8 <= sum(first) <= 30
    assert await struck(1) == first != await struck(2)


async def _refused(client: Any) -> bool:
    try:
        await ask(client)
    except openai.RateLimitError:
        return True
    return False


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"model": ""}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"stream_options": 1}, "stream_options"),
    ],
)
async def test_a_bad_request_is_told_which_parameter_is_wrong(more: dict[str, Any], param: str) -> None:
    async with emulated() as (model, client):
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, **more)
    assert caught.value.param == param and caught.value.type == "invalid_request_error"
    assert model.ended == {"400": 1}
