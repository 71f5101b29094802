"""The seam to language-model vendors."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from parlance.v1.llm_service_pb2 import AnswerRequest, Citation, Finish, ToolCall, VendorState


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thinks aloud. Never spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The last value of an answer, exactly once. `estimated`: the vendor did not say; counted by us.

    `input_tokens` is all that was read, cached or not, of which `cache_read_tokens` came from the vendor's cache and
    `cache_write_tokens` were put there (`cache_write_1h_tokens` of them for an hour); `output_tokens` is all that was
    written, of which `reasoning_tokens` were thoughts."""

    finish: Finish.ValueType = Finish.FINISH_STOP
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    # Of the vendor itself, in the web: billed one by one.
    web_searches: int = 0
    cache_write_1h_tokens: int = 0


# Text is plain str. A tool call comes whole; a citation where its page is known.
Value = str | Reasoning | ToolCall | Citation | VendorState | Usage


class Provider(Protocol):
    """A vendor adapter, made as `Class(model, **settings)` with the settings of its route.

    Raises parlance.errors only. Does not retry, does not log content, does not read the environment. Its connections
    add to the meter of their task (services/llm/meter.py)."""

    # A provider may say `counts = True`: all its connections are those of providers/http.py, which count their bytes.
    # Host and port that a request leaves for; "" where nothing leaves the process.
    destination: str

    def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        """Values in the vendor's order, then the Usage. A stream that ends without its vendor's last event is
        Unavailable."""
        ...


# A picture costs about as much.
_IMAGE = 1_000


def words_of(request: AnswerRequest) -> int:
    """A rough count of tokens, where nobody else counts: three quarters of a word each (as OpenAI's guide has it), or
    five bytes, where more: not all people write spaces, and no tool does. A picture: 1,000."""
    made = 0
    for message in request.messages:
        made += _tokens(message.text)
        if message.images or message.tool_calls:
            made += _IMAGE * len(message.images)
            made += sum(_tokens(call.name + call.arguments) for call in message.tool_calls)
    made += sum(_tokens(tool.name + tool.description + tool.parameters) for tool in request.tools)
    return made + _tokens(request.output_schema)


def _tokens(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode())
    return max(len(text.split()) * 4 // 3, size // 5)
