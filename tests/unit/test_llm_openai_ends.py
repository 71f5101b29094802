"""The provider `openai`, over a real socket: what goes wrong, and routes that cannot work."""

import asyncio
import json
from contextlib import aclosing

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role
from tests.unit.responses_events import done, ended, event, text
from tests.unit.sse_server import STALL, serving

pytest.importorskip("openai", reason="the extra `llm` is not installed")

from services.llm.providers.openai import OpenAI

ASKED = AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text="Rain?")])


async def told(*script: str) -> None:
    async with serving(*script) as server:
        provider = OpenAI("gpt", base_url=server.url)
        try:
            async for _ in provider.answer(ASKED):
                pass
        finally:
            await provider.aclose()


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("", errors.Unavailable),
        ("data: [DONE]\n\n", errors.Unavailable),
        ("data: {oops\n\n", errors.Unavailable),
        ('data: {"type": "response.completed"}\n\n', errors.Unavailable),
        ("data: [1]\n\n", errors.Unavailable),
        (event("error", code="rate_limit_exceeded", message="private words"), errors.RateLimited),
        (event("error", code="insufficient_quota", message="private words"), errors.QuotaExhausted),
        (event("error", error={"type": "insufficient_quota", "message": "private words"}), errors.QuotaExhausted),
        (event("error", code=None, message="private words"), errors.Unavailable),
        (event("error", code="invalid_prompt", message="private words"), errors.Refused),
        (ended("failed", error={"code": "server_error", "message": "private words"}), errors.Unavailable),
        (ended("failed", error={"code": "image_parse_error", "message": "private words"}), errors.InvalidRequest),
        (ended("failed", error=None), errors.Unavailable),
        (ended(status="failed", error={"code": "server_error", "message": "private words"}), errors.Unavailable),
        (done(0, "function_call", call_id="c", name="f", arguments="[1") + ended(), errors.Unavailable),
        (done(0, "function_call", call_id="c", name="rm", arguments="{}") + ended(), errors.Unavailable),
    ],
)
async def test_what_goes_wrong_in_mid_answer_is_an_error_of_ours(
    last: str, expected: type[errors.ParlanceError]
) -> None:
    with pytest.raises(errors.ParlanceError) as caught:
        await told(text("It "), last)
    assert type(caught.value) is expected and "private" not in caught.value.message


async def test_leaving_in_the_middle_hangs_up_at_the_servers_socket() -> None:
    async with serving(text("It "), STALL) as server:
        provider = OpenAI("gpt", base_url=server.url)
        async with aclosing(provider.answer(ASKED)) as values:
            assert await anext(values) == "It "
        await asyncio.wait_for(server.hung_up.wait(), 5)
        await provider.aclose()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "insufficient_quota", errors.QuotaExhausted),
        (429, "billing_hard_limit_reached", errors.QuotaExhausted),
        (429, "rate_limit_exceeded", errors.RateLimited),
        (401, "invalid_api_key", errors.Unauthenticated),
        (400, "context_length_exceeded", errors.InvalidRequest),
        (503, None, errors.Unavailable),
    ],
)
async def test_a_refusal_is_asked_once(status: int, code: str | None, expected: type[errors.ParlanceError]) -> None:
    body = json.dumps({"error": {"message": "private words", "type": None, "code": code}})
    async with serving(body, status=status) as server:
        provider = OpenAI("gpt", base_url=server.url)
        with pytest.raises(errors.ParlanceError) as caught:
            await anext(provider.answer(ASKED))
        await provider.aclose()
    assert type(caught.value) is expected and len(server.requests) == 1 and "private" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "destination"),
    [
        ({"api_key": "k"}, "api.openai.com"),
        ({"api_key": "k", "data_residency": "eu"}, "eu.api.openai.com"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "127.0.0.1:9"),
    ],
)
async def test_it_says_where_it_asks_whatever_the_environment(
    settings: dict[str, str], destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.example/v1")
    provider = OpenAI("gpt", **settings)
    assert provider.destination == destination
    await provider.aclose()


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        ("", {"api_key": "k"}, "openai:"),
        ("gpt", {}, "OPENAI_API_KEY"),
        ("gpt", {"api_key": "k", "data_residency": "moon"}, "eu"),
        ("gpt", {"api_key": "k", "data_residency": "eu", "base_url": "http://a.example"}, "not both"),
        ("gpt", {"api_key": "k", "base_url": "a.example"}, "base_url"),
        ("gpt", {"api_key": "k", "colour": "red"}, "colour"),
        ("gpt", {"api_key": "k y"}, "key"),
    ],
)
def test_a_route_that_cannot_work_is_told_why(model: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        OpenAI(model, **settings)
