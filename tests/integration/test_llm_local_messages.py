"""A real local language-model server behind `anthropic`: it speaks Anthropic's Messages too."""

import asyncio
import json
import time
import urllib.request
from contextlib import aclosing
from typing import Any

import pytest

from parlance import providers
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Finish, Role
from services.llm.meter import METER, Meter
from services.llm.provider import Usage
from services.llm.providers import PROVIDERS
from tests.integration.test_llm_local import pytestmark, url

pytest.importorskip("anthropic", reason="the extra `llm` is not installed")

__all__ = ["pytestmark", "url"]


def asking(text: str, tokens: int) -> AnswerRequest:
    system = ChatMessage(role=Role.ROLE_SYSTEM, text="Answer in one sentence.")
    return AnswerRequest(messages=[system, ChatMessage(role=Role.ROLE_USER, text=text)], max_output_tokens=tokens)


def connected(url: str) -> Any:
    return providers.load("llm", PROVIDERS, "anthropic:smollm2", base_url=url)


async def test_an_answer_is_streamed_and_counted(url: str) -> None:
    METER.set(meter := Meter())
    provider = connected(url)
    async with aclosing(provider.answer(asking("What is the capital of France?", 40))) as values:
        *texts, usage = [value async for value in values]
    assert len(texts) > 1 and all(isinstance(text, str) for text in texts)
    assert isinstance(usage, Usage) and not usage.estimated and usage.input_tokens > 10 and usage.output_tokens > 1
    assert usage.finish in (Finish.FINISH_STOP, Finish.FINISH_LENGTH)
    assert meter.requests == 1 and meter.whole
    await provider.aclose()


async def test_whoever_leaves_stops_the_generation(url: str) -> None:
    provider = connected(url)
    async with aclosing(provider.answer(asking("Tell me a long story about the sea.", 800))) as values:
        await anext(values)
    began = time.monotonic()
    while await asyncio.to_thread(_busy, url):
        assert time.monotonic() - began < 5, "it goes on writing for nobody"
        await asyncio.sleep(0.05)
    await provider.aclose()


def _busy(url: str) -> bool:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/slots", timeout=5) as response:
        return any(slot["is_processing"] for slot in json.load(response))
