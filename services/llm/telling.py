"""What an asker is told: the values of whoever answers, with what was hidden put back, and no word twice."""

from collections.abc import Iterator

from parlance.errors import Unavailable
from parlance.v1.llm_service_pb2 import AnswerResponse, Citation, Finish, ToolCall, VendorState
from services.llm.attempt import Attempt
from services.llm.provider import Reasoning, Value
from services.llm.words import Diverges, Words


class Telling:
    """`held`: somebody else may go on with the answer, so whole words alone are told; `room`: characters that it may
    have."""

    def __init__(self, held: bool, room: int) -> None:
        self._words, self._room = Words(held), room
        # Something was told that nobody else can go on after.
        self._final = False

    @property
    def told(self) -> str:
        return self._words.told

    @property
    def full(self) -> bool:
        return self._room <= 0

    @property
    def may_go_on(self) -> bool:
        """Whether somebody else may answer in its place, or go on with it."""
        return not self._final and (self._words.held or not self._words.told)

    def broke_off(self) -> None:
        self._words.drop()

    def of(self, attempt: Attempt, value: Value) -> Iterator[AnswerResponse]:
        """Raises Unavailable where who goes on says something else from the beginning."""
        if attempt.puts_back is not None:
            value = attempt.puts_back.value(value)
        if isinstance(value, str):
            yield from self._text(_seamed(attempt, value))
        elif isinstance(value, Reasoning):
            self._room -= len(value.text)
            yield AnswerResponse(reasoning=value.text)
        elif isinstance(value, Citation):
            yield AnswerResponse(citation=value)
        elif isinstance(value, VendorState):
            yield AnswerResponse(state=value)
        elif isinstance(value, ToolCall):
            yield from self.rest(attempt)
            self._final = True
            self._room -= len(value.arguments)
            yield AnswerResponse(tool_call=value)

    def rest(self, attempt: Attempt) -> Iterator[AnswerResponse]:
        """What was held back until the end of the text."""
        cut = attempt.usage is not None and attempt.usage.finish == Finish.FINISH_LENGTH
        text = _seamed(attempt, attempt.puts_back.rest(cut=cut) if attempt.puts_back else "", last=True)
        yield from self._text(text)
        if held := self._words.rest():
            yield AnswerResponse(text=held)

    def _text(self, text: str) -> Iterator[AnswerResponse]:
        fits, self._room = text[: max(0, self._room)], self._room - len(text)
        if now := self._words.add(fits):
            yield AnswerResponse(text=now)


def _seamed(attempt: Attempt, text: str, last: bool = False) -> str:
    if attempt.seam is None:
        return text
    try:
        return attempt.seam.add(text) + (attempt.seam.rest() if last else "")
    except Diverges:
        raise Unavailable("the answer broke off, and who was asked next began another one") from None
