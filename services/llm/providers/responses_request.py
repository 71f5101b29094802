"""A question as OpenAI's Responses are asked it."""

import json
from collections.abc import Iterator
from typing import Any

from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Effort, Role
from parlance.v1.turn_pb2 import Capability
from services.llm.providers.chat_request import CHOICES, EFFORTS, data_url, result
from services.llm.providers.json_schema import closed, parsed
from services.llm.providers.tool_names import ToolNames

# Thoughts are written too, and come first.
_MAX_TOKENS = 1024
# Fewer are refused.
_FEWEST_TOKENS = 16


def asked(request: AnswerRequest, model: str, names: ToolNames, thinks: bool = True) -> dict[str, Any]:
    """The body of the request. Nothing is kept at OpenAI: thoughts come and go back encrypted; a model that has none
    refuses to be asked for them. Raises InvalidRequest where a schema is none."""
    body: dict[str, Any] = {
        "model": model,
        "input": [item for message in request.messages for item in _items(message, names)],
        "max_output_tokens": most(request),
        "stream": True,
        "store": False,
    }
    if thinks:
        body.update(_thinking(request))
    if tools := _tools(request, names):
        body["tools"] = tools
        if request.capability == Capability.CAPABILITY_WEB:
            body["max_tool_calls"] = _SEARCHES
        if request.tool_choice in CHOICES:
            body["tool_choice"] = CHOICES[request.tool_choice]
    if request.output_schema:
        schema = parsed(request.output_schema, "the answer")
        format_ = {"type": "json_schema", "name": "answer", "schema": schema, "strict": closed(schema)}
        body["text"] = {"format": format_}
    return body


# The vendor's own, each of which costs; it bounds no tool of the asker's.
_SEARCHES = 3


def most(request: AnswerRequest) -> int:
    """Tokens that the answer may take."""
    return max(_FEWEST_TOKENS, request.max_output_tokens or _MAX_TOKENS)


def _thinking(request: AnswerRequest) -> dict[str, Any]:
    asked: dict[str, Any] = {"include": ["reasoning.encrypted_content"]}
    if request.effort in EFFORTS:
        asked["reasoning"] = {"effort": EFFORTS[request.effort]}
        if request.effort != Effort.EFFORT_NONE:
            asked["reasoning"]["summary"] = "auto"
    return asked


def _tools(request: AnswerRequest, names: ToolNames) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = [
        {
            "type": "function",
            "name": names.wire(tool.name),
            "description": tool.description,
            "parameters": parsed(tool.parameters, f"the tool {tool.name}"),
            "strict": False,
        }
        for tool in request.tools
    ]
    if request.capability == Capability.CAPABILITY_WEB:
        tools.append({"type": "web_search"})
    return tools


def _items(message: ChatMessage, names: ToolNames) -> Iterator[dict[str, Any]]:
    if message.role == Role.ROLE_TOOL:
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": result(message)}
    elif message.role == Role.ROLE_ASSISTANT:
        yield from _said(message, names)
    elif message.images and message.role != Role.ROLE_SYSTEM:
        text = [{"type": "input_text", "text": message.text}] if message.text else []
        images = [{"type": "input_image", "detail": "auto", "image_url": data_url(i)} for i in message.images]
        yield {"role": "user", "content": [*text, *images]}
    else:
        yield {"role": "system" if message.role == Role.ROLE_SYSTEM else "user", "content": message.text}


def _said(message: ChatMessage, names: ToolNames) -> Iterator[dict[str, Any]]:
    """Each thought before what it led to: without that, OpenAI refuses it."""
    kept = [json.loads(state.data) for state in message.state if state.provider == "openai"]
    if message.text:
        yield from (state["item"] for state in kept if not state["before"])
        yield {"role": "assistant", "content": message.text}
    for call in message.tool_calls:
        yield from (state["item"] for state in kept if state["before"] == call.id)
        name = names.wire(call.name)
        yield {"type": "function_call", "call_id": call.id, "name": name, "arguments": call.arguments}
