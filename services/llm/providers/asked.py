"""What a request asks, as every vendor wants to have it said in its own way."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from parlance.errors import InvalidRequest, Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role, Tool, ToolCall
from services.llm.provider import Value

# Of one side: a user's message and the results of tools belong together.
_SIDES = {Role.ROLE_ASSISTANT: "assistant"}


def system_text(request: AnswerRequest) -> str:
    """All that the system says, wherever it stands; "" where it says nothing."""
    return "\n\n".join(m.text for m in request.messages if m.role == Role.ROLE_SYSTEM and m.text)


def sides(request: AnswerRequest) -> Iterator[tuple[str, list[ChatMessage]]]:
    """The conversation without the system: whose turn it is ("user", "assistant"), and its messages. A side has said
    something, or it is left out."""
    said = (m for m in request.messages if m.role != Role.ROLE_SYSTEM and _says(m))
    for side, messages in groupby(said, key=lambda m: _SIDES.get(m.role, "user")):
        yield side, list(messages)


def parameters(tool: Tool) -> dict[str, Any]:
    """Its JSON Schema. InvalidRequest where it is none of type object."""
    found = json_object(tool.parameters or '{"type": "object", "properties": {}}')
    if found is None or found.get("type") != "object":
        raise InvalidRequest(f"the parameters of the tool {tool.name} are no JSON Schema of type object")
    return found


def output_schema(request: AnswerRequest) -> dict[str, Any]:
    """Of a request that has one. InvalidRequest where it is no JSON object."""
    found = json_object(request.output_schema)
    if found is None:
        raise InvalidRequest("the output schema is no JSON Schema")
    return found


def arguments(text: str) -> dict[str, Any]:
    """Of a tool call of the conversation; what is no JSON object is no argument."""
    return json_object(text) or {}


def checked(request: AnswerRequest, values: Iterable[Value]) -> Iterator[Value]:
    """The values. Unavailable for a call of a tool that the request does not offer: nobody could run it."""
    for value in values:
        if isinstance(value, ToolCall) and all(tool.name != value.name for tool in request.tools):
            raise Unavailable("the model called a tool that it was not given")
        yield value


def json_object(text: str) -> dict[str, Any] | None:
    """None where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _says(message: ChatMessage) -> bool:
    return bool(message.text or message.images or message.tool_calls or message.state or message.tool_call_id)
