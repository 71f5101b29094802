"""Answers, delays and faults from a script: what tests, load runs and rehearsals use. Product code.

A script is a JSON file (setting `file`) or, without one, the model's name:
`echo` says the question back, `story` goes on for a while, `silent` never begins, `memory` tells a story when it is
asked for one, and otherwise what it is told that it said last.
    {"chunk_delay_s": 0.01, "first_delay_s": 0.2,
     "answers": [{"contains": "weather", "text": "It is sunny.", "fail_after": 2, "error": "UNAVAILABLE"}]}
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parlance.errors import InvalidRequest, ParlanceError, from_code
from parlance.v1.llm_service_pb2 import ROLE_ASSISTANT, AnswerRequest
from parlance.v1.turn_pb2 import ErrorCode
from services.llm.provider import Usage, words_of

_STORY = " ".join(f"This is sentence number {n} of a rather long story, told for a test." for n in range(1, 31))


@dataclass(frozen=True, slots=True)
class Line:
    """What to answer where the question contains `contains` ("" matches all); `error` is raised after `fail_after`
    chunks."""

    text: str
    contains: str = ""
    fail_after: int = -1
    error: str = "UNAVAILABLE"


class Scripted:
    destination = ""

    def __init__(self, model: str = "echo", file: str = "", **settings: Any) -> None:
        """`settings`: first_delay_s and chunk_delay_s (seconds). Raises InvalidRequest where the script makes no
        sense."""
        script = _read(file) if file else {}
        self._model = model or "echo"
        try:
            self._lines = [_line(line) for line in script.get("answers", settings.pop("answers", []))]
            self._first_s = float(settings.get("first_delay_s", script.get("first_delay_s", 0)))
            self._chunk_s = float(settings.get("chunk_delay_s", script.get("chunk_delay_s", 0)))
        except (TypeError, ValueError, AttributeError) as exc:
            raise InvalidRequest(f"the script makes no sense: {exc}") from exc

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[str | Usage, None]:
        question = request.messages[-1].text if request.messages else ""
        line = self._line(question, _said(request))
        if self._model == "silent":
            await asyncio.Event().wait()
        await asyncio.sleep(self._first_s)
        chunks = re.findall(r"\S+\s*", line.text)
        for n, chunk in enumerate(chunks):
            if n == line.fail_after:
                raise _fault(line)
            yield chunk
            await asyncio.sleep(self._chunk_s)
        if line.fail_after >= len(chunks):
            raise _fault(line)
        yield Usage(input_tokens=words_of(request), output_tokens=len(chunks))

    def _line(self, question: str, said: str) -> Line:
        for line in self._lines:
            if line.contains.lower() in question.lower():
                return line
        if self._model == "story" or (self._model == "memory" and "story" in question.lower()):
            return Line(_STORY)
        return Line(f"I said: {said}" if self._model == "memory" else f"You said: {question}")


def _said(request: AnswerRequest) -> str:
    """What the conversation remembers of the last reply; "" where nothing of it was heard."""
    before = request.messages[-2] if len(request.messages) > 1 else None
    return before.text if before is not None and before.role == ROLE_ASSISTANT else ""


def _line(entry: dict[str, Any]) -> Line:
    line = Line(**entry)
    ErrorCode.Value(f"ERROR_CODE_{line.error}")
    return line


def _fault(line: Line) -> ParlanceError:
    return from_code(ErrorCode.Value(f"ERROR_CODE_{line.error}"), "the script says so")


def _read(file: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(Path(file).read_text())
        return found
    except (OSError, ValueError) as exc:
        raise InvalidRequest(f"the script {file} cannot be read: {exc}") from exc
