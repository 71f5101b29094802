"""What we ask, in the words of Gemini's generateContent."""

import base64
import json
from collections.abc import Iterable
from typing import Any

from parlance.errors import InvalidRequest
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Effort, Role, ToolChoice
from parlance.v1.turn_pb2 import Capability
from services.llm.providers import asked
from services.llm.providers.google_events import OWN_ID

Part = dict[str, Any]

_MAX_TOKENS = 1024
_LEVELS = {
    Effort.EFFORT_NONE: "MINIMAL",
    Effort.EFFORT_LOW: "LOW",
    Effort.EFFORT_MEDIUM: "MEDIUM",
    Effort.EFFORT_HIGH: "HIGH",
}
_BUDGETS = {Effort.EFFORT_NONE: 0, Effort.EFFORT_LOW: 1024, Effort.EFFORT_MEDIUM: 4096, Effort.EFFORT_HIGH: 16_384}
_MODES = {ToolChoice.TOOL_CHOICE_NONE: "NONE", ToolChoice.TOOL_CHOICE_REQUIRED: "ANY"}
# What the vendor takes for the signature of a call that it did not make itself.
_UNSIGNED = base64.b64encode(b"skip_thought_signature_validator").decode()
THINKING = ("level", "budget", "none")


def body(request: AnswerRequest, thinking: str) -> dict[str, Any]:
    """`thinking`: how the model takes an effort ("budget": tokens, as older ones; "none": it has none)."""
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    contents = [
        {"role": "model" if side == "assistant" else "user", "parts": parts}
        for side, messages in asked.sides(request)
        if (parts := list(_parts(messages, names)))
    ]
    if not contents:
        raise InvalidRequest("an answer needs a question")
    made: dict[str, Any] = {"contents": contents, "generationConfig": _config(request, thinking)}
    if system := asked.system_text(request):
        made["systemInstruction"] = {"parts": [{"text": system}], "role": "user"}
    if tools := _tools(request):
        made["tools"] = tools
    if request.tools and request.tool_choice in _MODES:
        made["toolConfig"] = {"functionCallingConfig": {"mode": _MODES[request.tool_choice]}}
    return made


def _parts(messages: Iterable[ChatMessage], names: dict[str, str]) -> Iterable[Part]:
    for message in messages:
        if message.role == Role.ROLE_TOOL:
            yield _result(message, names)
        elif message.role == Role.ROLE_ASSISTANT:
            yield from _said(message)
        else:
            for image in message.images:
                yield {"inlineData": {"data": base64.b64encode(image.data).decode(), "mimeType": image.media_type}}
            if message.text:
                yield {"text": message.text}


def _result(message: ChatMessage, names: dict[str, str]) -> Part:
    if message.tool_call_id not in names:
        raise InvalidRequest("a tool's result names a call that the conversation does not hold")
    response = {"error" if message.tool_failed else "output": message.text}
    made = {"name": names[message.tool_call_id], "response": response}
    return {"functionResponse": _with_id(message.tool_call_id, made)}


def _said(message: ChatMessage) -> Iterable[Part]:
    """As the model wrote it where it is known, for it wants each signature where it was."""
    kept = [part for s in message.state if s.provider == "google" for part in json.loads(s.data)]
    calls = {call.id: _call(call.id, call.name, call.arguments) for call in message.tool_calls}
    if {part["call"] for part in kept if "call" in part} != set(calls):
        kept = []
    at = 0
    if sum(part.get("text", 0) for part in kept) != len(message.text):
        # Less was heard than was said.
        kept = [part for part in kept if "call" in part]
        if message.text:
            yield {"text": message.text}
    for part in kept:
        signed = {"thoughtSignature": part["signature"]} if "signature" in part else {}
        if "call" in part:
            yield {**calls.pop(part["call"]), **signed}
        elif signed or part.get("text"):
            yield {"text": message.text[at : at + part.get("text", 0)], **signed}
            at += part.get("text", 0)
    for n, call in enumerate(calls.values()):
        yield call if n else {**call, "thoughtSignature": _UNSIGNED}


def _call(call_id: str, name: str, arguments: str) -> Part:
    return {"functionCall": _with_id(call_id, {"name": name, "args": asked.arguments(arguments)})}


def _with_id(call_id: str, made: dict[str, Any]) -> dict[str, Any]:
    return made if call_id.startswith(OWN_ID) else {"id": call_id, **made}


def _tools(request: AnswerRequest) -> list[Part]:
    declared = [
        {"name": t.name, "description": t.description, "parametersJsonSchema": asked.parameters(t)}
        for t in request.tools
    ]
    made: list[Part] = [{"functionDeclarations": declared}] if declared else []
    return [*made, {"googleSearch": {}}] if request.capability == Capability.CAPABILITY_WEB else made


def _config(request: AnswerRequest, thinking: str) -> dict[str, Any]:
    made: dict[str, Any] = {"maxOutputTokens": request.max_output_tokens or _MAX_TOKENS}
    if request.output_schema:
        made |= {"responseMimeType": "application/json", "responseJsonSchema": asked.output_schema(request)}
    if request.effort and thinking != "none":
        told = {"includeThoughts": request.effort != Effort.EFFORT_NONE}
        if thinking == "level":
            made["thinkingConfig"] = {**told, "thinkingLevel": _LEVELS[request.effort]}
        else:
            made["thinkingConfig"] = {**told, "thinkingBudget": _BUDGETS[request.effort]}
    return made
