"""A question as OpenAI's Chat Completions are asked it, which half the servers of the world understand."""

import base64
import json
from typing import Any

from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Effort, Image, Role, ToolChoice
from services.llm.providers.json_schema import closed, parsed
from services.llm.providers.tool_names import ToolNames

CHOICES = {
    ToolChoice.TOOL_CHOICE_AUTO: "auto",
    ToolChoice.TOOL_CHOICE_NONE: "none",
    ToolChoice.TOOL_CHOICE_REQUIRED: "required",
}
EFFORTS = {
    Effort.EFFORT_NONE: "none",
    Effort.EFFORT_LOW: "low",
    Effort.EFFORT_MEDIUM: "medium",
    Effort.EFFORT_HIGH: "high",
}
_MAX_TOKENS = 300


def asked(request: AnswerRequest, model: str, names: ToolNames) -> dict[str, Any]:
    """The body of the request. Raises InvalidRequest where a schema is none."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message, model, names) for message in request.messages],
        "max_tokens": request.max_output_tokens or _MAX_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": names.wire(tool.name),
                    "description": tool.description,
                    "parameters": parsed(tool.parameters, f"the tool {tool.name}"),
                },
            }
            for tool in request.tools
        ]
        if request.tool_choice in CHOICES:
            body["tool_choice"] = CHOICES[request.tool_choice]
    if request.output_schema:
        schema = parsed(request.output_schema, "the answer")
        format_ = {"name": "answer", "schema": schema, "strict": closed(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": format_}
    if request.effort in EFFORTS:
        body["reasoning_effort"] = EFFORTS[request.effort]
    return body


def data_url(image: Image) -> str:
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def result(message: ChatMessage) -> str:
    """What a tool gave back; these APIs have no other place to say that it failed."""
    return f"Error: {message.text}" if message.tool_failed else message.text


def _message(message: ChatMessage, model: str, names: ToolNames) -> dict[str, Any]:
    if message.role == Role.ROLE_TOOL:
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": result(message)}
    if message.role == Role.ROLE_ASSISTANT:
        return _assistant(message, model, names)
    if message.role == Role.ROLE_SYSTEM:
        return {"role": "system", "content": message.text}
    if not message.images:
        return {"role": "user", "content": message.text}
    images = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in message.images]
    text = [{"type": "text", "text": message.text}] if message.text else []
    return {"role": "user", "content": [*text, *images]}


def _assistant(message: ChatMessage, model: str, names: ToolNames) -> dict[str, Any]:
    written: dict[str, Any] = {"role": "assistant", "content": message.text}
    if message.tool_calls:
        written["content"] = message.text or None
        written["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": names.wire(c.name), "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    for state in message.state:
        if state.provider == "compatible":
            kept = json.loads(state.data)
            if kept["model"] == model:
                written["reasoning_content"] = kept["reasoning"]
    return written
