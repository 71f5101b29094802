"""Any server that speaks OpenAI's Chat Completions over a base_url: llama.cpp, vLLM, Ollama, one's own cloud."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx2

from parlance.errors import InvalidRequest
from parlance.v1.llm_service_pb2 import AnswerRequest
from services.llm.provider import Value
from services.llm.providers import http, openai_client, sse
from services.llm.providers.asked import checked
from services.llm.providers.chat_answer import ChatAnswer
from services.llm.providers.chat_request import asked
from services.llm.providers.tool_names import ToolNames


class Compatible:
    """Reads the events of the stream itself: the SDK's typed chunks cost three times as much."""

    # Its connections count what goes over them.
    counts = True

    def __init__(self, model: str, client: Any = None, base_url: str = "", api_key: str = "", **settings: str) -> None:
        """`model`: as the server calls it; `settings`: those of http.client. Raises InvalidRequest where the route does
        not say which server and which model."""
        if client is None and not base_url.startswith(("http://", "https://")):
            raise InvalidRequest("compatible needs a server: --set base_url=http://127.0.0.1:8000/v1")
        if not model:
            raise InvalidRequest("compatible needs a model's name: compatible:MODEL")
        self._model = model
        self.destination = http.host_of(base_url) if base_url else ""
        self._client = client or openai_client.made(api_key, http.client(**settings), base_url=base_url)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        names = ToolNames(request)
        body, answer = asked(request, self._model, names), ChatAnswer(request, self._model, names)
        with http.translated(openai_client.ours):
            async with await openai_client.streamed(self._client, "/chat/completions", body) as stream:
                chunks = stream.response.aiter_bytes()
                try:
                    async with aclosing(sse.events(chunks)) as events:
                        async for event in events:
                            if event.startswith(b"[DONE]"):
                                await sse.read_out(chunks)
                                break
                            for value in answer.values(json.loads(event)):
                                yield value
                except (httpx2.HTTPError, httpx2.StreamError):
                    if not answer.finish:  # all was said: only its count is lost
                        raise
            for value in checked(request, answer.end()):
                yield value

    async def aclose(self) -> None:
        """Lets go of the connections."""
        await self._client.close()
