"""Answers, delays and faults from a script: what tests, load runs and rehearsals use. Product code.

A script is a JSON file (setting `file`) or, without one, the model's name:
`echo` says the question back, `story` goes on for a while, `silent` never begins, `memory` tells a story when it is
asked for one, and otherwise what it is told that it said last; `obey` plays the line (as a script has it) that the
question is, and says others back.
    {"chunk_delay_s": 0.01, "first_delay_s": 0.2, "answers": [
        {"contains": "weather", "tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]},
        {"after_tool": true, "text": "It is sunny.", "citations": [{"url": "https://met.example", "title": "Met"}]},
        {"contains": "story", "text": "Once upon a time", "fail_after": 2, "error": "UNAVAILABLE"}]}
The first line that fits is taken; what a line may hold says script_line.py.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from parlance import ids
from parlance.errors import InvalidRequest, ParlanceError, Unavailable, from_code
from parlance.v1.llm_service_pb2 import ROLE_ASSISTANT, ROLE_USER, AnswerRequest, Citation, Finish, ToolCall
from parlance.v1.turn_pb2 import ErrorCode
from services.llm.provider import Reasoning, Usage, Value, words_of
from services.llm.providers.script_line import Line, arguments, line

_STORY = " ".join(f"This is sentence number {n} of a rather long story, told for a test." for n in range(1, 31))
_PIECE = re.compile(r"\s*\S+\s*")


class Scripted:
    destination = ""

    def __init__(self, model: str = "echo", file: str = "", **settings: Any) -> None:
        """`settings`: first_delay_s and chunk_delay_s (seconds). Raises InvalidRequest where the script makes no
        sense."""
        script = _read(file) if file else {}
        self._model = model or "echo"
        answers = script.get("answers", settings.pop("answers", []))
        if not isinstance(answers, list):
            raise InvalidRequest("the script makes no sense: answers is no list of lines")
        self._lines = [line(entry, f"answers[{n}]") for n, entry in enumerate(answers)]
        self._taken = [0] * len(self._lines)
        try:
            self._first_s = float(settings.get("first_delay_s", script.get("first_delay_s", 0)))
            self._chunk_s = float(settings.get("chunk_delay_s", script.get("chunk_delay_s", 0)))
        except (TypeError, ValueError) as exc:
            raise InvalidRequest(f"the script makes no sense: a delay is a number of seconds: {exc}") from exc

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        played = self._line(request)
        if self._model == "silent":
            await asyncio.Event().wait()
        first_s = played.first_delay_s if played.first_delay_s >= 0 else self._first_s
        chunk_s = played.chunk_delay_s if played.chunk_delay_s >= 0 else self._chunk_s
        await asyncio.sleep(first_s)
        chunks = _PIECE.findall(played.words(request))
        for thought in _PIECE.findall(played.reasoning):
            yield Reasoning(thought)
            await asyncio.sleep(chunk_s)
        for n, chunk in enumerate(chunks):
            await _happens(played, n)
            yield chunk
            await asyncio.sleep(chunk_s)
        await _happens(played, len(chunks), last=True)
        for value in _after(played, request):
            yield value
        yield _usage(played, request, len(chunks))

    def _line(self, request: AnswerRequest) -> Line:
        for n, found in enumerate(self._lines):
            if found.fits(request) and not 0 < found.times <= self._taken[n]:
                self._taken[n] += 1
                return found
        question = request.messages[-1].text if request.messages else ""
        if self._model == "obey" and (told := _told(request)):
            return line(told, "the question")
        if self._model == "story" or (self._model == "memory" and "story" in question.lower()):
            return Line(_STORY)
        if self._model == "memory":
            return Line(f"I said: {_said(request)}")
        shown = len(request.messages[-1].images) if request.messages else 0
        return Line(f"You said: {question}" + (f" (pictures: {shown})" if shown else ""))


async def _happens(played: Line, n: int, last: bool = False) -> None:
    """What goes wrong before piece n; `last`: or ever."""
    if _now(played.fail_after, n, last):
        raise _fault(played)
    if _now(played.stall_after, n, last):
        await asyncio.Event().wait()
    if _now(played.cut_after, n, last):
        raise Unavailable("the script breaks off in the middle")


def _now(after: int, n: int, last: bool) -> bool:
    return after >= n if last else after == n


def _after(played: Line, request: AnswerRequest) -> Iterator[Value]:
    for cited in played.citations:
        yield Citation(url=cited["url"], title=cited.get("title", ""))
    for n, call in enumerate(played.tool_calls):
        id_ = call.get("id") or f"call_{ids.derived('scripted', len(request.messages), n)}"
        yield ToolCall(id=id_, name=call["name"], arguments=arguments(call))


def _usage(played: Line, request: AnswerRequest, pieces: int) -> Usage:
    finish = Finish.FINISH_TOOL_CALLS if played.tool_calls else Finish.FINISH_STOP
    if played.finish:
        finish = Finish.Value(f"FINISH_{played.finish}")
    counts: dict[str, Any] = {"input_tokens": words_of(request), "output_tokens": pieces, **played.usage}
    return Usage(finish, **counts)


def _said(request: AnswerRequest) -> str:
    """What the conversation remembers of the last reply; "" where nothing of it was heard."""
    before = request.messages[-2] if len(request.messages) > 1 else None
    return before.text if before is not None and before.role == ROLE_ASSISTANT else ""


def _told(request: AnswerRequest) -> dict[str, Any] | None:
    """The line that the user's last question with one is; nobody obeys after a tool's result."""
    if request.messages[-1].role != ROLE_USER:
        return None
    for message in reversed(request.messages):
        if message.role == ROLE_USER and message.text.lstrip().startswith("{"):
            try:
                found = json.loads(message.text)
            except ValueError:
                continue
            return found if isinstance(found, dict) else None
    return None


def _fault(played: Line) -> ParlanceError:
    return from_code(ErrorCode.Value(f"ERROR_CODE_{played.error}"), "the script says so")


def _read(file: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(file).read_text())
    except (OSError, ValueError) as exc:
        raise InvalidRequest(f"the script {file} cannot be read: {exc}") from exc
    if not isinstance(found, dict):
        raise InvalidRequest(f"the script {file} makes no sense: it is no object")
    if unknown := set(found) - {"answers", "first_delay_s", "chunk_delay_s"}:
        raise InvalidRequest(f"the script {file} makes no sense: it has no {', '.join(sorted(unknown))}")
    return found
