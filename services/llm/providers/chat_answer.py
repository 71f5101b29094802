"""An answer as Chat Completions stream it: only the fields that are needed, whatever else a server writes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parlance import ids
from parlance.errors import Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest, Finish, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage, Value, words_of
from services.llm.providers.openai_client import in_stream
from services.llm.providers.tool_names import ToolNames

_FINISHES = {
    "stop": Finish.FINISH_STOP,
    "length": Finish.FINISH_LENGTH,
    "content_filter": Finish.FINISH_REFUSAL,
    "tool_calls": Finish.FINISH_TOOL_CALLS,
    "function_call": Finish.FINISH_TOOL_CALLS,
}


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""

    def take(self, delta: dict[str, Any]) -> None:
        """A piece of it. Some servers say id and name again with each piece."""
        self.id = self.id or delta.get("id") or ""
        function = delta.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        if name != self.name:
            self.name += name
        self.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)


class ChatAnswer:
    """`values` of each chunk in turn, then `end`. Both raise parlance.errors, or what reading a chunk that is none
    raises (ValueError, TypeError, AttributeError)."""

    def __init__(self, request: AnswerRequest, model: str, names: ToolNames) -> None:
        self._request, self._model, self._names = request, model, names
        self._calls: dict[int, _Call] = {}
        self._thought: list[str] = []
        self._usage: dict[str, Any] | None = None
        self._refused = False
        self._pieces = 0
        # Why it ended; "": it has not.
        self.finish = ""

    def values(self, chunk: dict[str, Any]) -> Iterator[Value]:
        if error := chunk.get("error"):
            raise in_stream(error)
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue
            self.finish = choice.get("finish_reason") or self.finish
            if delta := choice.get("delta"):
                yield from self._delta(delta)

    def end(self) -> Iterator[Value]:
        """The calls, each whole, and the usage."""
        if not self.finish or self.finish == "error":
            raise Unavailable("the model's server ended its answer in the middle")
        calls = [call for index in sorted(self._calls) if (call := self._whole(self._calls[index])) is not None]
        for n, call in enumerate(calls):
            if not call.id or any(call.id == before.id for before in calls[:n]):
                call.id = f"call_{ids.new()}"
        if calls and self._thought:
            # Some models lose their thread where what they thought before a call is not given back with its result.
            kept = {"model": self._model, "reasoning": "".join(self._thought)}
            yield VendorState(provider="compatible", data=json.dumps(kept).encode())
        yield from calls
        yield self._counted(bool(calls))

    def _delta(self, delta: dict[str, Any]) -> Iterator[Value]:
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            self._thought.append(thought)
            yield Reasoning(thought)
        if text := delta.get("content"):
            if not isinstance(text, str):
                raise ValueError("content that is no text")
            self._pieces += 1
            yield text
        if refusal := delta.get("refusal"):
            self._refused = True
            yield str(refusal)
        for piece in delta.get("tool_calls") or ():
            self._calls.setdefault(self._place(piece), _Call()).take(piece)

    def _place(self, piece: dict[str, Any]) -> int:
        """Which call a piece is of. Some servers number them all 0, or not at all: another id is another call then."""
        index = piece.get("index")
        place = index if isinstance(index, int) else max(self._calls, default=0)
        call = self._calls.get(place)
        if call is None or not call.name:
            return place
        name = (piece.get("function") or {}).get("name")
        unnumbered = index is None and name and not piece.get("id")
        other = piece.get("id") and call.id and piece["id"] != call.id
        if not (other or unnumbered):
            return place
        known = [n for n, c in self._calls.items() if c.id and c.id == piece.get("id")]
        return known[0] if known else max(self._calls) + 1

    def _whole(self, call: _Call) -> ToolCall | None:
        """None for one that the limit cut off."""
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            arguments = None
        if isinstance(arguments, dict) and call.name:
            return ToolCall(id=call.id, name=self._names.ours(call.name), arguments=call.arguments or "{}")
        if self.finish == "length":
            return None
        raise Unavailable("the model called a tool with what is not a JSON object")

    def _counted(self, called: bool) -> Usage:
        finish = _FINISHES.get(self.finish, Finish.FINISH_STOP)
        if called and finish == Finish.FINISH_STOP:
            finish = Finish.FINISH_TOOL_CALLS
        if self._refused and finish == Finish.FINISH_STOP:
            finish = Finish.FINISH_REFUSAL
        told = self._usage
        if not told or not (told.get("prompt_tokens") or told.get("completion_tokens")):
            return Usage(finish, words_of(self._request), self._pieces, estimated=True)
        return _usage(finish, told)


def _usage(finish: Finish.ValueType, told: dict[str, Any]) -> Usage:
    read, written = int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0)
    of_read, of_written = told.get("prompt_tokens_details") or {}, told.get("completion_tokens_details") or {}
    thought = int(of_written.get("reasoning_tokens") or 0)
    if thought and int(told.get("total_tokens") or 0) == read + written + thought:
        written += thought  # a server that counts them apart
    return Usage(
        finish,
        read,
        written,
        cache_read_tokens=int(of_read.get("cached_tokens") or 0),
        cache_write_tokens=int(of_read.get("cache_write_tokens") or 0),
        reasoning_tokens=thought,
    )
