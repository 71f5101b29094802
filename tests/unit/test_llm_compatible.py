"""The provider `compatible`, over a real socket: the official SDK against a server that does what the test says."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Finish, Role
from services.llm.provider import Usage
from tests.unit.sse_server import DONE, STALL, SseServer, event, serving, whole

pytest.importorskip("openai", reason="the extra `llm` is not installed")

from services.llm.providers.compatible import Compatible

ASKED = AnswerRequest(
    messages=[
        ChatMessage(role=Role.ROLE_SYSTEM, text="Be short."),
        ChatMessage(role=Role.ROLE_USER, text="Who wrote Emma?"),
    ],
    max_output_tokens=50,
)


@asynccontextmanager
async def connected(server: SseServer, api_key: str = "") -> AsyncGenerator[Compatible, None]:
    provider = Compatible("tiny", base_url=server.url, api_key=api_key)
    try:
        yield provider
    finally:
        await provider.aclose()


async def answer(*script: str, status: int = 200) -> list[str | Usage]:
    async with serving(*script, status=status) as server, connected(server) as provider:
        return await read(provider)


async def read(provider: Compatible) -> list[str | Usage]:
    async with aclosing(provider.answer(ASKED)) as parts:
        return [part async for part in parts]


async def test_an_answer_is_streamed_with_its_usage_last() -> None:
    parts = await answer(*whole("Jane ", "Austen."))
    assert parts == ["Jane ", "Austen.", Usage(Finish.FINISH_STOP, 7, 2)]


async def test_the_server_gets_model_messages_limit_and_key() -> None:
    async with serving(*whole("ok")) as server, connected(server, api_key="secret") as provider:
        await read(provider)
    (request,) = server.requests
    assert request["model"] == "tiny" and request["max_tokens"] == 50 and request["stream"]
    assert request["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Who wrote Emma?"},
    ]
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize("count", [[], [event(usage=(0, 0))]])
async def test_a_server_that_counts_no_tokens_is_counted_by_us(count: list[str]) -> None:
    *_, usage = await answer(event("Jane "), event("Austen."), event(finish="length"), *count, DONE)
    assert isinstance(usage, Usage) and usage.estimated and usage.output_tokens == 2 and usage.input_tokens > 0
    assert usage.finish == Finish.FINISH_LENGTH


@pytest.mark.parametrize("rest", [[], [DONE], [event(usage=(7, 1)), DONE]])
async def test_an_answer_without_its_last_event_is_not_whole(rest: list[str]) -> None:
    with pytest.raises(errors.Unavailable, match="middle"):
        await answer(event("Jane "), *rest)


async def test_a_broken_event_is_an_error_of_ours() -> None:
    with pytest.raises(errors.Unavailable):
        await answer(event("Jane "), "data: {oops\n\n", DONE)


async def test_an_error_inside_the_stream_is_an_error_of_ours() -> None:
    told = {"error": {"message": "private words", "type": "server_error", "code": "overloaded"}}
    with pytest.raises(errors.Unavailable) as caught:
        await answer(event("Jane "), f"data: {json.dumps(told)}\n\n")
    assert "private words" not in caught.value.message


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"code": 429, "type": "insufficient_quota"}, errors.QuotaExhausted),
        ({"code": 429}, errors.RateLimited),
        ({"code": 500, "type": "server_error"}, errors.Unavailable),
        ({"code": 400, "type": "exceed_context_size_error"}, errors.InvalidRequest),
        ({"type": "invalid_request_error"}, errors.InvalidRequest),
        ({"code": "content_filter"}, errors.Refused),
        ("private words", errors.Unavailable),
    ],
)
async def test_an_error_inside_the_stream_is_told_for_what_it_is(
    told: object, expected: type[errors.ParlanceError]
) -> None:
    with pytest.raises(errors.ParlanceError) as caught:
        await answer(event("Jane "), f"data: {json.dumps({'error': told})}\n\n")
    assert type(caught.value) is expected and "private" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "code", "kind", "expected"),
    [
        (401, "invalid_api_key", "invalid_request_error", errors.Unauthenticated),
        (403, None, "permission_error", errors.PermissionDenied),
        (404, "model_not_found", "invalid_request_error", errors.InvalidRequest),
        (400, "context_length_exceeded", "invalid_request_error", errors.InvalidRequest),
        (400, "content_filter", "invalid_request_error", errors.Refused),
        (429, "rate_limit_exceeded", "requests", errors.RateLimited),
        (429, "insufficient_quota", "insufficient_quota", errors.QuotaExhausted),
        (429, None, "insufficient_quota", errors.QuotaExhausted),
        (500, None, "server_error", errors.Unavailable),
        (503, None, None, errors.Unavailable),
    ],
)
async def test_a_refusal_becomes_our_error_and_is_asked_once(
    status: int, code: str | None, kind: str | None, expected: type[errors.ParlanceError]
) -> None:
    body = json.dumps({"error": {"message": "about private words", "type": kind, "code": code}})
    async with serving(body, status=status) as server, connected(server) as provider:
        with pytest.raises(errors.ParlanceError) as caught:
            await read(provider)
    assert type(caught.value) is expected
    assert len(server.requests) == 1 and "private words" not in caught.value.message


async def test_a_server_that_is_not_there_is_said_so() -> None:
    async with serving() as server:
        pass
    async with connected(server) as provider:
        with pytest.raises(errors.Unavailable, match="reached"):
            await read(provider)


async def test_leaving_in_the_middle_hangs_up_at_the_servers_socket() -> None:
    async with serving(event("Jane "), STALL) as server, connected(server) as provider:
        async with aclosing(provider.answer(ASKED)) as parts:
            assert await anext(parts) == "Jane "
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_a_cancelled_reader_hangs_up_before_the_first_token_too() -> None:
    async with serving(STALL) as server, connected(server) as provider, asyncio.TaskGroup() as group:
        parts = provider.answer(ASKED)
        reading = group.create_task(_first(parts))
        await asyncio.wait_for(server.asked.wait(), 5)
        reading.cancel()
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def _first(parts: AsyncGenerator[str | Usage, None]) -> object:
    async with aclosing(parts):
        return await anext(parts)


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        ("tiny", {}, "base_url"),
        ("tiny", {"base_url": "127.0.0.1:8000"}, "base_url"),
        ("", {"base_url": "http://127.0.0.1:8000/v1"}, "compatible:MODEL"),
        ("tiny", {"base_url": "http://127.0.0.1:8000/v1", "colour": "red"}, "colour"),
    ],
)
def test_a_route_that_does_not_say_enough_is_told_what_is_missing(
    model: str, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        Compatible(model, **settings)
