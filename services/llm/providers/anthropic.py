"""Claude, through Anthropic's Messages: by its own door, by the clouds' doors, or as another server speaks it."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anthropic

from parlance.errors import InvalidRequest, ParlanceError, Unauthenticated, Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest
from services.llm.provider import Usage, Value, words_of
from services.llm.providers import anthropic_fronts, anthropic_request, asked, http, sse
from services.llm.providers.anthropic_events import CODES, Events
from services.llm.providers.tool_names import ANTHROPIC, ToolNames


class Anthropic:
    # Its connections count what goes over them.
    counts = True

    def __init__(self, model: str, client: Any = None, base_url: str = "", api_key: str = "", **settings: str) -> None:
        """`settings`: `front` (bedrock, mantle, aws, vertex, foundry) and what it needs, `thinking` (adaptive, budget,
        none), `cache` (5m, 1h, off), `inference_geo`, and those of http.client. Raises InvalidRequest where they make
        no sense."""
        if not model:
            raise InvalidRequest("anthropic needs a model's name: anthropic:MODEL")
        self._model = model
        front = settings.pop("front", "")
        self._thinking = _one_of("thinking", settings.pop("thinking", ""), anthropic_request.THINKING)
        self._cache = _one_of("cache", settings.pop("cache", ""), anthropic_request.CACHE)
        geo = settings.pop("inference_geo", "")
        self._region = {"inference_geo": geo} if geo else {}
        # Bedrock's stream is no stream of server-sent events.
        self._typed = front == "bedrock"
        self._client = client or anthropic_fronts.opened(front, base_url, api_key, settings)
        self.destination = anthropic_fronts.destination(self._client)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        names = ToolNames(request, ANTHROPIC)
        body = anthropic_request.body(names.asked(), self._thinking, self._cache)
        events, pieces = Events(), 0
        with http.translated(_ours):
            opening = self._client.messages.with_streaming_response.create
            async with (
                opening(model=self._model, stream=True, **self._region, **body) as response,
                aclosing(self._events(response)) as stream,
            ):
                async for event in stream:
                    for value in asked.checked(names.asked(), events.take(event)):
                        pieces += isinstance(value, str)
                        yield names.answered(value)
                    if events.ended:
                        await sse.read_out(stream)
                        break
            if not events.ended:
                raise Unavailable("the model's server ended its answer in the middle")
            usage = events.usage()
        yield usage or Usage(events.finish, words_of(request), pieces, estimated=True)

    async def aclose(self) -> None:
        """Lets go of the connections."""
        await self._client.close()

    async def _events(self, response: Any) -> AsyncGenerator[dict[str, Any], None]:
        if self._typed:
            async for typed in await response.parse():
                yield typed.to_dict(mode="json")
            return
        async with aclosing(sse.events(response.http_response.aiter_bytes())) as datas:
            async for data in datas:
                yield json.loads(data)


def _one_of(name: str, told: str, known: tuple[str, ...]) -> str:
    if told and told not in known:
        raise InvalidRequest(f"{name}={told} is not known; known: {', '.join(known)}")
    return told or known[0]


def _ours(exc: Exception) -> ParlanceError | None:
    if isinstance(exc, anthropic.APIStatusError):
        return http.failed(exc.status_code, (exc.error_code, exc.type), CODES)
    if isinstance(exc, anthropic.AnthropicError):
        return http.broken(exc) or Unavailable(f"the model's server failed ({type(exc).__name__})")
    if type(exc).__module__.startswith(("botocore", "google.auth")):
        return Unauthenticated("the cloud's credentials cannot be had: sign in to it, or --set api_key_env=NAME")
    return None
