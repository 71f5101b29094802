"""What OpenAI's SDK is asked directly goes out as its own methods send it."""

import json
from typing import Any

import httpx2
import openai
import pytest

from services.llm.providers import http, openai_client

_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
_CHAT = {"messages": [{"role": "user", "content": "hi"}], "tools": [_TOOL], "stream_options": {"include_usage": True}}
_RESPONSES = {"input": [{"role": "user", "content": "hi"}], "store": False, "max_output_tokens": 16}


@pytest.mark.parametrize(("path", "body"), [("/chat/completions", _CHAT), ("/responses", _RESPONSES)])
async def test_the_same_request_leaves_whoever_makes_it(path: str, body: dict[str, Any]) -> None:
    seen: list[httpx2.Request] = []

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        seen.append(request)
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=b"data: [DONE]\n\n")

    client = openai_client.made("k", http.client(httpx2.MockTransport(answer)), base_url="http://model.example/v1")
    create: Any = client.responses.create if path == "/responses" else client.chat.completions.create
    asked = {"model": "m", "stream": True, **body}
    async with await create(**asked) as theirs, await openai_client.streamed(client, path, asked) as ours:
        assert isinstance(theirs, openai.AsyncStream) and isinstance(ours, openai.AsyncStream)
    await client.close()
    first, second = seen
    assert (first.method, first.url, first.headers) == (second.method, second.url, second.headers)
    assert json.loads(first.content) == json.loads(second.content) == asked
