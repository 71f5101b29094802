"""Chat Completions: what is asked, checked as a vendor would, and what an answer to it looks like. Tokens are words."""

import json
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from infra.emulators.wire import Refusal

_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """`question`: the text of the last message of the user; `limit`: tokens that the answer may have at most."""

    model: str
    question: str
    stream: bool
    with_usage: bool
    limit: int | None
    prompt_tokens: int


def asked(body: bytes, models: Collection[str]) -> Asked:
    """Raises Refusal (400; 404 where there is no such model) with the parameter that is wrong."""
    try:
        said = json.loads(body)
    except ValueError as exc:
        raise Refusal(400, "the body is no JSON") from exc
    if not isinstance(said, dict):
        raise Refusal(400, "the body is a JSON object")
    model = said.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "model is the name of a model", param="model")
    if model not in models:
        raise Refusal(404, f"the model '{model}' does not exist", "model_not_found", "model")
    if said.get("n", 1) not in (1, None):
        raise Refusal(400, "this emulator gives one choice", "unsupported_value", "n")
    texts = _texts(said.get("messages"))
    question = next((text for role, text in reversed(texts) if role == "user"), "")
    usage = _options(said.get("stream_options"))
    count = sum(len(text.split()) for _, text in texts)
    return Asked(model, question, _flag("stream", said.get("stream")), usage, _limit(said), count)


def _texts(messages: Any) -> list[tuple[str, str]]:
    """(role, text) of each."""
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages is a list of at least one message", param="messages")
    return [_text(f"messages[{n}]", message) for n, message in enumerate(messages)]


def _text(place: str, message: Any) -> tuple[str, str]:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise Refusal(400, f"{place}.role is one of {', '.join(sorted(_ROLES))}", "invalid_value", f"{place}.role")
    content = message.get("content")
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    # What an assistant said may be calls of tools alone.
    if not isinstance(content, str) and not (content is None and message["role"] == "assistant"):
        raise Refusal(400, f"{place}.content is a text, or a list of parts", "invalid_type", f"{place}.content")
    return message["role"], content or ""


def _flag(name: str, value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise Refusal(400, f"{name} is true or false", "invalid_type", name)
    return bool(value)


def _options(value: Any) -> bool:
    """Whether a stream ends with its usage."""
    if value is not None and not isinstance(value, dict):
        raise Refusal(400, "stream_options is an object", "invalid_type", "stream_options")
    return _flag("stream_options.include_usage", (value or {}).get("include_usage"))


def _limit(said: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = said.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Refusal(400, f"{name} is a whole number of at least 1", "invalid_value", name)
        return value
    return None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to `asked`, in `pieces` of one token each; `number`: the how-manieth of this server."""

    asked: Asked
    pieces: list[str]
    finish: str
    number: int

    def event(self, n: int) -> bytes:
        """The n-th piece as an event of the stream."""
        delta = {"content": self.pieces[n]} if n else {"role": "assistant", "content": self.pieces[n]}
        return self._event([{"index": 0, "delta": delta, "finish_reason": None}])

    def end(self) -> bytes:
        """The events behind the last piece."""
        last = self._event([{"index": 0, "delta": {}, "finish_reason": self.finish}])
        return last + (self._event([], usage=self._usage()) if self.asked.with_usage else b"") + _DONE

    def whole(self) -> dict[str, Any]:
        """The answer where it is not streamed."""
        message = {"role": "assistant", "content": "".join(self.pieces), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        body = {**self._head("chat.completion.chunk"), "choices": choices, **more}
        return b"data: %b\n\n" % json.dumps(body, separators=(",", ":")).encode()

    def _head(self, kind: str) -> dict[str, Any]:
        name = f"chatcmpl-emulated-{self.number}"
        return {"id": name, "object": kind, "created": int(time.time()), "model": self.asked.model}

    def _usage(self) -> dict[str, int]:
        spent, told = self.asked.prompt_tokens, len(self.pieces)
        return {"prompt_tokens": spent, "completion_tokens": told, "total_tokens": spent + told}


def reply(question: Asked, text: str, number: int) -> Reply:
    """`text`, cut to the tokens that the question allows."""
    pieces = re.findall(r"\S+\s*", text)
    kept = pieces[: question.limit]
    return Reply(question, kept, "stop" if len(kept) == len(pieces) else "length", number)
