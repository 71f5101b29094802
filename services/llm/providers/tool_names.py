"""Tools under the names that a vendor takes, and back: "math.factorial" is no name for most of them."""

import re
from collections.abc import Iterable

from parlance.v1.llm_service_pb2 import AnswerRequest

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 64


class ToolNames:
    """Of one request. A name that fits is left as it is; no two names become one."""

    def __init__(self, request: AnswerRequest) -> None:
        self._wire: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        # Those that fit come first, so that no other one is given their name.
        for name in sorted(_named(request), key=lambda n: (_plain(n) != n, n)):
            self._add(name)

    def wire(self, name: str) -> str:
        """As the vendor is told it."""
        return self._wire[name]

    def ours(self, wire: str) -> str:
        """The tool's own name; a name that nobody told the vendor stays what it is."""
        return self._ours.get(wire, wire)

    def _add(self, name: str) -> None:
        plain, n = _plain(name), 2
        while plain in self._ours:
            plain, n = f"{_plain(name)[: _LONGEST - 4]}_{n}", n + 1
        self._wire[name], self._ours[plain] = plain, name


def _named(request: AnswerRequest) -> set[str]:
    return {tool.name for tool in request.tools} | set(_called(request))


def _called(request: AnswerRequest) -> Iterable[str]:
    """In earlier turns, perhaps when other tools were there."""
    return (call.name for message in request.messages for call in message.tool_calls)


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("_", name)[:_LONGEST] or "_"
