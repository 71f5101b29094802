"""What the vendors' servers write, event by event, with their fields: benchmarks/llm_upstream.py says it."""

import itertools
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATHS = {
    "/v1/chat/completions": "compatible",
    "/v1/responses": "openai",
    "/v1/messages": "anthropic",
    "/v1beta/models/": "google",
}
VENDORS = tuple(PATHS.values())
CHUNKS = 42
_ORDER = re.compile(r"\[\[(.*?)\]\]")
_ID = "68af4030baa48193b0b43b4c2a176a1a0e6967589f080e78"
# Words as they come in an answer, some of more bytes than letters.
_TEXT = """
the a of and in to it is was for on with as by at from this that which where when who how every other first last
small large old new red green blue open quiet early late river town house garden bridge winter summer morning
café façade naïve über señor Zürich Łódź coöperate déjà crème people children teachers sailors doctors walked
opened closed carried found lost bought sold wrote read spoke heard knew thought began ended slowly quickly
gladly often never always perhaps therefore however although because between behind above below under over
"""
_WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True)
class Order:
    """How a question wants to be answered; it stands in the question itself. `n`: pieces; `gap_us`: from one to the
    next; `seed`: of the words; `cut`: the connection ends after so many bytes of the body, -1: it does not; `goes_on`:
    how the one goes on that is asked after a cut (exactly, again, repeats); `clock`: each piece is the time at which it
    was sent, in ns of the monotonic clock; `id`: of the question."""

    id: str = ""
    n: int = CHUNKS
    gap_us: int = 0
    seed: int = 0
    cut: int = -1
    goes_on: str = "exactly"
    clock: bool = False

    def question(self) -> str:
        fields = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != getattr(_PLAIN, name)}
        return f"Tell me of the town by the river, and of those who live there. [[{json.dumps(fields)}]]"


_PLAIN = Order()


def order_of(question: str) -> Order:
    found = _ORDER.search(question)
    return Order(**json.loads(found[1])) if found else _PLAIN


def pieces(order: Order) -> list[str]:
    """The answer, cut into pieces as tokens are: most of them end where a word ends. As in what people write, no word
    stands beside itself."""
    if order.seed == 0:
        return [f"{_WORDS[n % len(_WORDS)]} " for n in range(order.n)]
    chance = random.Random(order.seed)
    words = [word for word, _ in itertools.groupby(chance.choices(_WORDS, k=order.n))]
    text = " ".join(words) + "."
    at = sorted(chance.sample(range(1, len(text)), order.n - 1))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@dataclass(frozen=True, slots=True)
class Wire:
    """Of one vendor: events before the text, one of a piece of it, and those after it."""

    head: bytes
    piece: Callable[[str], bytes]
    tail: bytes


def _data(body: dict[str, Any], named: bool = False) -> bytes:
    name = f"event: {body['type']}\n" if named else ""
    return f"{name}data: {json.dumps(body, separators=(',', ':'), ensure_ascii=False)}\n\n".encode()


def _chat() -> Wire:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        fields = {"id": f"chatcmpl-{_ID}", "object": "chat.completion.chunk", "created": 1796000000, "model": "good"}
        return {**fields, "service_tier": "default", "system_fingerprint": "fp_50cad350e4", "choices": [choice]}

    used = {"prompt_tokens": 31, "completion_tokens": CHUNKS, "total_tokens": 31 + CHUNKS}
    return Wire(
        _data(chunk({"role": "assistant", "content": "", "refusal": None})),
        lambda text: _data({**chunk({"content": text}), "usage": None, "obfuscation": "vLbFzcFSTqOc"}),
        _data(chunk({}, "stop")) + _data({**chunk({}), "choices": [], "usage": used}) + b"data: [DONE]\n\n",
    )


def _responses() -> Wire:
    at = {"item_id": f"msg_{_ID}", "output_index": 0}
    response = {"id": f"resp_{_ID}", "object": "response", "created_at": 1796000000, "model": "good", "output": []}
    response |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "metadata": {}}
    item = {"id": at["item_id"], "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    used = {"input_tokens": 31, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": CHUNKS}
    used |= {"output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 31 + CHUNKS}
    done = {"type": "response.completed", "sequence_number": 99}

    def event(kind: str, **fields: Any) -> bytes:
        return _data({"type": f"response.{kind}", "sequence_number": 4, **fields}, named=True)

    return Wire(
        event("created", response={**response, "status": "in_progress"})
        + event("in_progress", response={**response, "status": "in_progress"})
        + event("output_item.added", output_index=0, item=item)
        + event("content_part.added", **at, content_index=0, part=part),
        lambda text: event(
            "output_text.delta", **at, content_index=0, delta=text, logprobs=[], obfuscation="vLbFzcFSTqOc"
        ),
        event("content_part.done", **at, content_index=0, part=part)
        + _data({**done, "response": {**response, "status": "completed", "usage": used}}, named=True),
    )


def _messages() -> Wire:
    message = {"id": f"msg_{_ID}", "type": "message", "role": "assistant", "model": "good", "content": []}
    used = {"input_tokens": 31, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    begun = {**message, "stop_reason": None, "stop_sequence": None, "usage": used}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}

    def piece(text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return _data({"type": "content_block_delta", "index": 0, "delta": delta}, named=True)

    return Wire(
        _data({"type": "message_start", "message": begun}, named=True) + _data(block, named=True),
        piece,
        _data({"type": "content_block_stop", "index": 0}, named=True)
        + _data({"type": "message_delta", "delta": ended, "usage": {"output_tokens": CHUNKS}}, named=True)
        + _data({"type": "message_stop"}, named=True),
    )


def _gemini() -> Wire:
    used = {"promptTokenCount": 31, "candidatesTokenCount": CHUNKS, "totalTokenCount": 31 + CHUNKS}

    def piece(text: str, **last: str) -> bytes:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, **last, "index": 0}
        told = {"candidates": [candidate], "usageMetadata": used, "modelVersion": "good", "responseId": "d2Vi0b43b4c2a"}
        return _data(told)

    return Wire(b"", piece, piece("", finishReason="STOP"))


WIRES = {"compatible": _chat(), "openai": _responses(), "anthropic": _messages(), "google": _gemini()}
