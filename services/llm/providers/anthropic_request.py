"""What we ask, in the words of Anthropic's Messages."""

import base64
import json
import re
from typing import Any

from anthropic import transform_schema

from parlance.errors import InvalidRequest
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Effort, Role, ToolChoice
from parlance.v1.turn_pb2 import Capability
from services.llm.providers import asked

Block = dict[str, Any]

_MAX_TOKENS = 1024
_EFFORTS = {Effort.EFFORT_LOW: "low", Effort.EFFORT_MEDIUM: "medium", Effort.EFFORT_HIGH: "high"}
_BUDGETS = {Effort.EFFORT_LOW: 1024, Effort.EFFORT_MEDIUM: 4096, Effort.EFFORT_HIGH: 16_384}
_CHOICES = {ToolChoice.TOOL_CHOICE_NONE: "none", ToolChoice.TOOL_CHOICE_REQUIRED: "any"}
# The one that needs nothing else; later ones run code.
_WEB_SEARCH: Block = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
THINKING = ("adaptive", "budget", "none")
CACHE = ("5m", "1h", "off")


def body(request: AnswerRequest, thinking: str, cache: str) -> dict[str, Any]:
    """Arguments of `messages.create`, without the model. `thinking`: how the model takes an effort ("budget": tokens,
    as older ones; "none": it has none); `cache`: how long a prefix is kept for the next turn."""
    made: dict[str, Any] = {"max_tokens": request.max_output_tokens or _MAX_TOKENS, "messages": _messages(request)}
    if system := asked.system_text(request):
        made["system"] = [_text(system)]
    if tools := _tools(request):
        made["tools"] = tools
        if request.tool_choice in _CHOICES and tools[0] is not _WEB_SEARCH:
            made["tool_choice"] = {"type": _CHOICES[request.tool_choice]}
    if output := _output(request, thinking):
        made["output_config"] = output
    if (thoughts := _thinking(request, thinking, made["max_tokens"])) is not None:
        made["thinking"] = thoughts
    if cache != "off":
        _keep(made, {"type": "ephemeral", "ttl": cache})
    return made


def _messages(request: AnswerRequest) -> list[Block]:
    made = []
    for side, messages in asked.sides(request):
        blocks = [block for m in messages for block in (_user(m) if side == "user" else _assistant(m))]
        # Results come before all else that a user says.
        blocks.sort(key=lambda block: block["type"] != "tool_result" if side == "user" else False)
        if blocks:
            made.append({"role": side, "content": blocks})
    if not made:
        raise InvalidRequest("an answer needs a question")
    return made


def _user(message: ChatMessage) -> list[Block]:
    if message.role == Role.ROLE_TOOL:
        result: Block = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id), "content": message.text}
        return [{**result, "is_error": True} if message.tool_failed else result]
    return [*map(_image, message.images), *([_text(message.text)] if message.text else [])]


def _assistant(message: ChatMessage) -> list[Block]:
    calls = {c.id: _call(c.id, c.name, c.arguments) for c in message.tool_calls}
    plain = [*([_text(message.text)] if message.text else []), *calls.values()]
    kept = [block for s in message.state if s.provider == "anthropic" for block in json.loads(s.data)]
    if not kept:
        return plain
    whole = _in_place(kept, message.text, calls)
    if whole is None:  # less was heard than was said: what was thought goes first
        return [*(b for b in kept if b.get("type") in ("thinking", "redacted_thinking") and calls), *plain]
    return whole


def _in_place(kept: list[Block], text: str, calls: dict[str, Block]) -> list[Block] | None:
    """The message as the model wrote it; None where text or calls are no longer those of then."""
    if sum(b.get("text", 0) for b in kept if "type" not in b) != len(text) or len(calls) != sum(
        "call" in b for b in kept
    ):
        return None
    made, at = [], 0
    for block in kept:
        if "type" in block:
            made.append(block)
        elif "call" in block:
            made.append(calls[block["call"]])
        elif block["text"]:
            made.append(_text(text[at : at + block["text"]]))
            at += block["text"]
    return made


def _tools(request: AnswerRequest) -> list[Block]:
    made = [{"name": t.name, "description": t.description, "input_schema": asked.parameters(t)} for t in request.tools]
    if request.capability != Capability.CAPABILITY_WEB:
        return made
    # The vendor's search counts as a tool: where no other may be called, no other is shown.
    return [_WEB_SEARCH] if request.tool_choice == ToolChoice.TOOL_CHOICE_NONE else [*made, _WEB_SEARCH]


def _output(request: AnswerRequest, thinking: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if request.output_schema:
        try:
            made["format"] = {"type": "json_schema", "schema": transform_schema(asked.output_schema(request))}
        except (ValueError, TypeError, AttributeError):
            raise InvalidRequest("the output schema is none that this model can be held to") from None
    if thinking == "adaptive" and request.effort in _EFFORTS:
        made["effort"] = _EFFORTS[request.effort]
    return made


def _thinking(request: AnswerRequest, thinking: str, max_tokens: int) -> dict[str, Any] | None:
    """None: as the model does of itself."""
    if thinking == "none" or not request.effort:
        return None
    if request.effort == Effort.EFFORT_NONE:
        return {"type": "disabled"}
    if thinking == "adaptive":
        return {"type": "adaptive", "display": "summarized"}
    # A quarter is left to say it; the vendor takes no budget that is smaller than this.
    budget = min(_BUDGETS[request.effort], max_tokens * 3 // 4)
    return {"type": "enabled", "budget_tokens": budget} if budget >= 1024 else {"type": "disabled"}


def _keep(made: dict[str, Any], control: Block) -> None:
    """Two places: what never changes, and all up to this question, which the next one begins with."""
    for blocks in (made.get("system") or made.get("tools"), made["messages"][-1]["content"]):
        if blocks and blocks[-1].get("type") not in ("thinking", "redacted_thinking"):
            blocks[-1] = {**blocks[-1], "cache_control": control}


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _image(image: Any) -> Block:
    data = base64.b64encode(image.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}


def _call(call_id: str, name: str, arguments: str) -> Block:
    return {"type": "tool_use", "id": _id(call_id), "name": name, "input": asked.arguments(arguments)}


def _id(call_id: str) -> str:
    """Other vendors' ids hold characters that this one refuses."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call_id)
