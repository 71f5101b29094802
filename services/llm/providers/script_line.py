"""A line of a script: to what it answers, what it says, and what goes wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from parlance.errors import InvalidRequest
from parlance.v1.llm_service_pb2 import ROLE_ASSISTANT, ROLE_TOOL, ROLE_USER, AnswerRequest, Finish
from parlance.v1.turn_pb2 import ErrorCode
from services.llm.provider import Usage

_NUMBER, _NEVER = (int, float), -1
_COUNTS = tuple(f.name for f in fields(Usage) if f.name not in ("finish", "estimated"))


@dataclass(frozen=True, slots=True)
class Line:
    """Fits where the question contains `contains` ("" fits all), shows as many pictures as `images` (-1: any number)
    and, with `after_tool`, is the result of a tool; `times` times, then the next line that fits is taken (0: always).

    `error` is raised after `fail_after` pieces of text; after `stall_after` of them it is silent for ever, after
    `cut_after` it breaks off without its end (-1: never). `goes_on`: it begins after the words that the conversation
    says were told of it. Delays are in seconds, -1: those of the script."""

    text: str = ""
    contains: str = ""
    images: int = _NEVER
    after_tool: bool = False
    times: int = 0
    reasoning: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    citations: tuple[Mapping[str, str], ...] = ()
    finish: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    first_delay_s: float = _NEVER
    chunk_delay_s: float = _NEVER
    fail_after: int = _NEVER
    error: str = "UNAVAILABLE"
    stall_after: int = _NEVER
    cut_after: int = _NEVER
    goes_on: bool = False

    def fits(self, request: AnswerRequest) -> bool:
        last = request.messages[-1] if request.messages else None
        if self.after_tool and (last is None or last.role != ROLE_TOOL):
            return False
        if self.images != _NEVER and self.images != (len(last.images) if last else 0):
            return False
        asked = [m.text for m in request.messages if m.role == ROLE_USER] if self.goes_on else []
        return any(self.contains.lower() in text.lower() for text in [*asked, last.text if last else ""])

    def words(self, request: AnswerRequest) -> str:
        """What is left of its text."""
        if self.goes_on:
            for message in request.messages:
                told = message.text
                if message.role == ROLE_ASSISTANT and told and self.text.startswith(told.rstrip()):
                    return self.text[len(told) if self.text.startswith(told) else len(told.rstrip()) :]
        return self.text


def line(entry: Any, where: str) -> Line:
    """Raises InvalidRequest that says what is wrong, and `where`."""
    if not isinstance(entry, dict):
        raise _wrong(where, "it is no object")
    known = {f.name: f for f in fields(Line)}
    for name, value in entry.items():
        if name not in known:
            raise _wrong(where, f"no line has '{name}'; known: {', '.join(known)}")
        if not _fits(name, value):
            raise _wrong(where, f"'{name}' must be {_WANTED[name][1]}")
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in entry.items()}
    made = Line(**values)
    if f"ERROR_CODE_{made.error}" not in ErrorCode.DESCRIPTOR.values_by_name:
        raise _wrong(where, f"no error is called {made.error}")
    if made.finish and f"FINISH_{made.finish}" not in Finish.DESCRIPTOR.values_by_name:
        raise _wrong(where, f"no answer finishes with {made.finish}")
    return made


def _fits(name: str, value: Any) -> bool:
    kind, _ = _WANTED[name]
    if isinstance(value, bool) and kind is not bool:
        return False
    if not isinstance(value, kind):
        return False
    check = _INSIDE.get(name)
    return check is None or check(value)


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str) or set(call) - {"id", "name", "arguments"}:
        return False
    return isinstance(call.get("id", ""), str) and isinstance(call.get("arguments", {}), dict)


def _is_citation(cited: Any) -> bool:
    if not isinstance(cited, dict) or not isinstance(cited.get("url"), str) or set(cited) - {"url", "title"}:
        return False
    return isinstance(cited.get("title", ""), str)


def _counts(usage: dict[str, Any]) -> bool:
    return all(name in _COUNTS and type(n) is int and n >= 0 for name, n in usage.items())


def arguments(call: Mapping[str, Any]) -> str:
    return json.dumps(call.get("arguments", {}), ensure_ascii=False)


def _wrong(where: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"the script makes no sense: {where}: {what}")


_TEXT, _COUNT, _TRUTH = (str, "a text"), (int, "a whole number"), (bool, "true or false")
_SECONDS: tuple[Any, str] = (_NUMBER, "a number of seconds")
_WANTED: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("text", "contains", "reasoning", "finish", "error"), _TEXT),
    **dict.fromkeys(("images", "times", "fail_after", "stall_after", "cut_after"), _COUNT),
    **dict.fromkeys(("after_tool", "goes_on"), _TRUTH),
    **dict.fromkeys(("first_delay_s", "chunk_delay_s"), _SECONDS),
    "tool_calls": (list, 'a list of {"name": "...", "arguments": {...}}'),
    "citations": (list, 'a list of {"url": "...", "title": "..."}'),
    "usage": (dict, f"counts of {', '.join(_COUNTS)}"),
}
_INSIDE: dict[str, Any] = {
    "tool_calls": lambda calls: all(map(_is_call, calls)),
    "citations": lambda cited: all(map(_is_citation, cited)),
    "usage": _counts,
}
