"""Any server that speaks OpenAI's Chat Completions over a base_url: llama.cpp, vLLM, Ollama, one's own cloud."""

from collections.abc import AsyncGenerator
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import openai

from parlance.errors import (
    InvalidRequest,
    ParlanceError,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unauthenticated,
    Unavailable,
)
from parlance.v1.llm_service_pb2 import AnswerRequest, Finish, Role
from services.llm.provider import Usage, words_of

_ROLES = {Role.ROLE_SYSTEM: "system", Role.ROLE_USER: "user", Role.ROLE_ASSISTANT: "assistant"}
_FINISHES = {
    "stop": Finish.FINISH_STOP,
    "length": Finish.FINISH_LENGTH,
    "content_filter": Finish.FINISH_REFUSAL,
}
# By code or type first: the status alone does not tell a hopeless 429 from a busy one.
_BY_CODE: dict[str, tuple[type[ParlanceError], str]] = {
    "insufficient_quota": (QuotaExhausted, "the model's server says that the quota is used up"),
    "billing_hard_limit_reached": (QuotaExhausted, "the model's server says that the spending limit is reached"),
    "content_filter": (Refused, "the model's server refuses to answer this"),
    "content_policy_violation": (Refused, "the model's server refuses to answer this"),
    "model_not_found": (InvalidRequest, "the model's server has no such model: set another one in the route"),
    "context_length_exceeded": (InvalidRequest, "the conversation is longer than the model can read"),
}
_BY_STATUS: dict[int, tuple[type[ParlanceError], str]] = {
    400: (InvalidRequest, "the model's server does not understand the request"),
    401: (Unauthenticated, "the model's server wants a key: --set api_key_env=NAME, the variable that holds it"),
    403: (PermissionDenied, "the model's server does not let this key ask"),
    404: (InvalidRequest, "nothing answers at this address: check base_url (it mostly ends in /v1) and the model"),
    422: (InvalidRequest, "the model's server does not understand the request"),
    429: (RateLimited, "the model's server is asked too often"),
}
_MAX_TOKENS = 300


class Compatible:
    def __init__(self, model: str, client: Any = None, base_url: str = "", api_key: str = "", **settings: str) -> None:
        """Raises InvalidRequest where the route does not say which server and which model."""
        if client is None and not base_url.startswith(("http://", "https://")):
            raise InvalidRequest("compatible needs a server: --set base_url=http://127.0.0.1:8000/v1")
        if not model:
            raise InvalidRequest("compatible needs a model's name: compatible:MODEL")
        if settings:
            raise InvalidRequest(f"compatible does not know: {', '.join(sorted(settings))}")
        self._model = model
        # Without a name and password, which some put into the address.
        self.destination = urlsplit(base_url).netloc.rpartition("@")[2]
        self._client = client or openai.AsyncOpenAI(base_url=base_url, api_key=api_key or "none", max_retries=0)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[str | Usage, None]:
        finish, usage, pieces = "", None, 0
        try:
            async with await self._open(request) as stream:
                async for chunk in stream:
                    usage = chunk.usage or usage
                    for choice in chunk.choices:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            pieces += 1
                            yield choice.delta.content
        except openai.OpenAIError as exc:
            raise _translated(exc) from exc
        except (httpx2.HTTPError, ValueError) as exc:
            raise Unavailable(f"the model's server broke off ({type(exc).__name__})") from exc
        if not finish:
            raise Unavailable("the model's server ended its answer in the middle")
        yield _usage(finish, usage, request, pieces)

    async def aclose(self) -> None:
        """Lets go of the connections."""
        await self._client.close()

    async def _open(self, request: AnswerRequest) -> Any:
        return await self._client.chat.completions.create(
            model=self._model,
            messages=cast(Any, [{"role": _ROLES.get(m.role, "user"), "content": m.text} for m in request.messages]),
            max_tokens=request.max_output_tokens or _MAX_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )


def _usage(finish: str, usage: Any, request: AnswerRequest, pieces: int) -> Usage:
    how = _FINISHES.get(finish, Finish.FINISH_STOP)
    if usage is None:
        return Usage(how, words_of(request), pieces, estimated=True)
    return Usage(how, usage.prompt_tokens, usage.completion_tokens)


def _translated(exc: openai.OpenAIError) -> ParlanceError:
    """Never with the server's own words: they may repeat what was asked."""
    for told in (getattr(exc, "code", None), getattr(exc, "type", None)):
        if told in _BY_CODE:
            kind, message = _BY_CODE[told]
            return kind(message)
    status = getattr(exc, "status_code", 0)
    if status in _BY_STATUS:
        kind, message = _BY_STATUS[status]
        return kind(f"{message} ({status})")
    if isinstance(exc, openai.APIConnectionError):
        return Unavailable("the model's server cannot be reached; is it running?")
    return Unavailable(f"the model's server failed ({status or type(exc).__name__})")
