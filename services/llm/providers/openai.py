"""OpenAI's models over the Responses API, and other servers that speak it (`base_url`)."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, get_args

from openai import DataResidency

from parlance.errors import InvalidRequest
from parlance.v1.llm_service_pb2 import AnswerRequest
from services.llm.provider import Value
from services.llm.providers import http, openai_client, sse
from services.llm.providers.asked import checked
from services.llm.providers.responses_answer import ResponsesAnswer
from services.llm.providers.responses_request import asked
from services.llm.providers.tool_names import ToolNames

_ADDRESS = "https://api.openai.com/v1"


class OpenAI:
    """Reads the events of the stream itself: the SDK's typed ones cost three times as much."""

    # Its connections count what goes over them.
    counts = True

    def __init__(self, model: str, client: Any = None, base_url: str = "", api_key: str = "", **settings: str) -> None:
        """`settings`: `data_residency`, the region whose servers are asked ("eu"); `thinking`, "none" of a model that
        takes no effort; and those of http.client. Raises InvalidRequest where the route does not say enough."""
        if not model:
            raise InvalidRequest("openai needs a model's name: openai:gpt-6-luna")
        if not api_key and not base_url and client is None:
            raise InvalidRequest("openai needs a key: set the variable OPENAI_API_KEY where parlance runs")
        self._model, thinking = model, settings.pop("thinking", "effort")
        if thinking not in ("effort", "none"):
            raise InvalidRequest("thinking is effort or none")
        self._thinks = thinking == "effort"
        where = _where(base_url, settings.pop("data_residency", ""))
        self._client = client or openai_client.made(api_key, http.client(**settings), **where)
        self.destination = http.host_of(str(self._client.base_url))

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        names = ToolNames(request)
        body, answer = asked(request, self._model, names, self._thinks), ResponsesAnswer(request, names)
        with http.translated(openai_client.ours):
            async with await openai_client.streamed(self._client, "/responses", body) as stream:
                chunks = stream.response.aiter_bytes()
                async with aclosing(sse.events(chunks)) as events:
                    async for event in events:
                        if event.startswith(b"[DONE]"):
                            break
                        values = list(checked(request, answer.values(json.loads(event))))
                        if answer.over:
                            await sse.read_out(chunks)
                        for value in values:
                            yield value
                        if answer.over:
                            return
        answer.check()

    async def aclose(self) -> None:
        """Lets go of the connections."""
        await self._client.close()


def _where(base_url: str, data_residency: str) -> dict[str, str]:
    if not data_residency:
        http.host_of(base_url or _ADDRESS)
        return {"base_url": base_url or _ADDRESS}
    if base_url:
        raise InvalidRequest("openai takes data_residency or base_url, not both")
    if data_residency not in get_args(DataResidency):
        raise InvalidRequest(f"data_residency is one of {', '.join(get_args(DataResidency))}")
    return {"data_residency": data_residency}
