"""The vendors' SDKs alone, in a process of their own: the same questions to the same upstream, without Parlance.

Two forms of each: "typed", the SDK's own stream loop; "raw", its request, with the events of the stream read as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import anthropic
import httpx2
import openai
import uvloop
from google import genai
from google.genai import types

from benchmarks.llm_child import serve
from benchmarks.llm_server import base_url
from benchmarks.llm_wire import Order
from parlance import garbage
from services.llm.providers import sse

_SYSTEM = "You are a voice assistant. Answer in short sentences."
_MAX_TOKENS = 1024
Texts = AsyncIterator[str]
Asked = Callable[[str], AbstractAsyncContextManager[Texts]]


class Sdks:
    """Each method: the texts of one answer, piece by piece."""

    def __init__(self, port: int, proxy: int, key: str) -> None:
        self._chat = openai.AsyncOpenAI(base_url=base_url("compatible", port), api_key="k", max_retries=0)
        self._messages = anthropic.AsyncAnthropic(base_url=base_url("anthropic", port), api_key="k", max_retries=0)
        where = {"base_url": base_url("google", port), "api_version": "v1beta"}
        self._gemini = genai.Client(api_key="k", http_options=types.HttpOptions(**where))
        # As Parlance has it: its raw stream is httpx's, while its own stands on aiohttp where that is installed.
        httpx = types.HttpOptions(**where, httpx_async_client=httpx2.AsyncClient())
        self._gemini_raw = genai.Client(api_key="k", http_options=httpx)
        self._proxy = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{proxy}/v1", api_key=key, max_retries=0)

    def form(self, vendor: str, form: str) -> Asked:
        found: Asked = getattr(self, f"_{vendor}_{form}")
        return found

    @asynccontextmanager
    async def _compatible_typed(self, question: str) -> AsyncIterator[Texts]:
        async with await self._chat.chat.completions.create(**_chat(question, "good")) as stream:
            yield (c.choices[0].delta.content or "" async for c in stream if c.choices)

    @asynccontextmanager
    async def _compatible_raw(self, question: str) -> AsyncIterator[Texts]:
        async with await self._chat.chat.completions.create(**_chat(question, "good")) as stream:
            yield _chat_texts(stream.response.aiter_bytes())

    @asynccontextmanager
    async def _openai_typed(self, question: str) -> AsyncIterator[Texts]:
        async with await self._chat.responses.create(**_responses(question)) as stream:
            yield (e.delta async for e in stream if e.type == "response.output_text.delta")

    @asynccontextmanager
    async def _openai_raw(self, question: str) -> AsyncIterator[Texts]:
        async with await self._chat.responses.create(**_responses(question)) as stream:
            events = _jsons(stream.response.aiter_bytes())
            yield (e["delta"] async for e in events if e["type"] == "response.output_text.delta")

    @asynccontextmanager
    async def _anthropic_typed(self, question: str) -> AsyncIterator[Texts]:
        async with await self._messages.messages.create(**_claude(question)) as stream:
            yield (e.delta.text async for e in stream if e.type == "content_block_delta")

    @asynccontextmanager
    async def _anthropic_raw(self, question: str) -> AsyncIterator[Texts]:
        async with self._messages.messages.with_streaming_response.create(**_claude(question)) as response:
            events = _jsons(response.http_response.aiter_bytes())
            yield (e["delta"]["text"] async for e in events if e["type"] == "content_block_delta")

    @asynccontextmanager
    async def _google_typed(self, question: str) -> AsyncIterator[Texts]:
        config = types.GenerateContentConfig(system_instruction=_SYSTEM, max_output_tokens=_MAX_TOKENS)
        stream = await self._gemini.aio.models.generate_content_stream(model="good", contents=question, config=config)
        yield (chunk.text or "" async for chunk in stream)

    @asynccontextmanager
    async def _google_raw(self, question: str) -> AsyncIterator[Texts]:
        api: Any = self._gemini_raw._api_client
        body = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        body |= {"systemInstruction": {"parts": [{"text": _SYSTEM}]}}
        made = api._build_request("post", "models/good:streamGenerateContent?alt=sse", body)
        response = (await api._async_request(made, stream=True)).response_stream
        async with aclosing(response):
            events = _jsons(response.aiter_bytes())
            yield (e["candidates"][0]["content"]["parts"][0]["text"] async for e in events)

    def _peer(self, model: str) -> Asked:
        @asynccontextmanager
        async def asked(question: str) -> AsyncIterator[Texts]:
            async with await self._proxy.chat.completions.create(**_chat(question, model)) as stream:
                yield _chat_texts(stream.response.aiter_bytes())

        return asked

    def __getattr__(self, name: str) -> Asked:
        """_openai_peer: through the proxy, which calls its models as vendors are called here."""
        if name.endswith("_peer"):
            return self._peer(name.removeprefix("_").removesuffix("_peer"))
        raise AttributeError(name)


async def _jsons(chunks: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    async for data in sse.events(chunks):
        if data != b"[DONE]":
            yield json.loads(data)


async def _chat_texts(chunks: AsyncIterator[bytes]) -> Texts:
    async for event in _jsons(chunks):
        if event.get("choices"):
            yield event["choices"][0]["delta"].get("content") or ""


def _chat(question: str, model: str) -> dict[str, Any]:
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": question}]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    return {"model": model, "messages": messages, "max_tokens": _MAX_TOKENS, **options}


def _responses(question: str) -> dict[str, Any]:
    asked = {"model": "good", "input": question, "instructions": _SYSTEM, "max_output_tokens": _MAX_TOKENS}
    return {**asked, "stream": True, "store": False}


def _claude(question: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": "good", "system": _SYSTEM, "messages": messages, "max_tokens": _MAX_TOKENS, "stream": True}


async def _timed(asked: Asked, order: Order) -> dict[str, Any]:
    began, first, late, pieces = time.perf_counter(), 0.0, [], 0
    async with asked(order.question()) as texts:
        async for text in texts:
            if text:
                first, pieces = first or time.perf_counter(), pieces + 1
                if order.clock:
                    late.append((time.monotonic_ns() - int(text)) / 1e6)
    return {"first_ms": (first - began) * 1000, "late_ms": late, "pieces": pieces}


async def main(port: int, proxy: int, key: str) -> None:
    sdks = Sdks(port, proxy, key)

    async def asked(words: dict[str, Any]) -> dict[str, Any]:
        """`at_once` lanes, each of `times` answers one after the other."""
        form, order = sdks.form(words["vendor"], words["form"]), Order(**words["order"])
        cpu = time.process_time()

        async def lane() -> list[dict[str, Any]]:
            return [await _timed(form, order) for _ in range(words["times"])]

        heard = [one for lane in await asyncio.gather(*(lane() for _ in range(words["at_once"]))) for one in lane]
        return {"heard": heard, "cpu_ms": (time.process_time() - cpu) / len(heard) * 1000}

    garbage.settle()
    await serve({}, asked)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("port", type=int, help="of benchmarks/llm_upstream.py")
    arguments.add_argument("--proxy", type=int, default=0, help="the port of LiteLLM's proxy")
    arguments.add_argument("--key", default="none", help="for it; it is made for this run")
    given = arguments.parse_args()
    sys.exit(uvloop.run(main(given.port, given.proxy, given.key)))
