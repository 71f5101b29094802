"""Tools under the names that a vendor takes, and back: "math.factorial" is no name for most of them."""

import re

from parlance.v1.llm_service_pb2 import AnswerRequest, ToolCall
from services.llm.provider import Value

# The names that each vendor takes.
OPENAI = re.compile(r"[A-Za-z0-9_-]{1,64}")
ANTHROPIC = re.compile(r"[A-Za-z0-9_-]{1,128}")
GOOGLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_-]")
# Fewer than the strictest of them.
_LONGEST = 60


class ToolNames:
    """Of one request. A name that `takes` matches is left as it is; no two names become one."""

    def __init__(self, request: AnswerRequest, takes: re.Pattern[str] = OPENAI) -> None:
        # Calls of earlier turns too, perhaps of tools that are no longer there.
        calls = (call.name for message in request.messages for call in message.tool_calls)
        self._request, named = request, {*(tool.name for tool in request.tools), *calls}
        self._wire = {name: name for name in named if takes.fullmatch(name)}
        self._ours: dict[str, str] = {}
        for name in sorted(named - self._wire.keys()):
            self._ours[wire := self._free(name)] = name
            self._wire[name] = wire
        self._asked: AnswerRequest | None = None if self._ours else request

    def wire(self, name: str) -> str:
        """As the vendor is told it."""
        return self._wire[name]

    def ours(self, wire: str) -> str:
        """The tool's own name; a name that nobody told the vendor stays what it is."""
        return self._ours.get(wire, wire)

    def asked(self) -> AnswerRequest:
        """The request under the vendor's names; not to be changed."""
        if self._asked is not None:
            return self._asked
        made = self._asked = AnswerRequest()
        made.CopyFrom(self._request)
        for tool in made.tools:
            tool.name = self._wire[tool.name]
        for call in (call for message in made.messages for call in message.tool_calls):
            call.name = self._wire[call.name]
        return made

    def answered(self, value: Value) -> Value:
        """The value under our names."""
        if self._ours and isinstance(value, ToolCall) and value.name in self._ours:
            return ToolCall(id=value.id, name=self._ours[value.name], arguments=value.arguments)
        return value

    def _free(self, name: str) -> str:
        plain = _NOT_PLAIN.sub("_", name)[:_LONGEST]
        made = plain = plain if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain}"
        n = 1
        while made in self._ours or made in self._wire:
            n += 1
            made = f"{plain[: _LONGEST - 6]}_{n}"
        return made
