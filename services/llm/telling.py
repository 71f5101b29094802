"""What an asker is told: the values of whoever answers, with what was hidden put back, and no word twice."""

from collections.abc import Iterator

from parlance.errors import Unavailable
from parlance.v1.llm_service_pb2 import AnswerResponse, Citation, Finish, ToolCall, VendorState
from services.llm.attempt import Attempt
from services.llm.provider import Reasoning, Value
from services.llm.words import Diverges, Words

# Of what stands beside the words, pages and what a vendor wants back: characters that an answer may have.
_BESIDE = 400_000
# What each call and each page takes at the least.
_EACH = 30
# No page has a longer address; no title is longer where it is shown.
_URL, _TITLE = 4_000, 300


class Telling:
    """`held`: somebody else may go on with the answer, so whole words alone are told; `room`: characters that it may
    have. What does not fit is not told, and ends it."""

    def __init__(self, held: bool, room: int) -> None:
        self._words, self._room, self._beside = Words(held), room, _BESIDE
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
            yield AnswerResponse(reasoning=self._fitting(value.text))
        elif isinstance(value, Citation | VendorState):
            yield from self._aside(value)
        elif isinstance(value, ToolCall):
            yield from self._call(attempt, value)

    def _aside(self, value: Citation | VendorState) -> Iterator[AnswerResponse]:
        if isinstance(value, VendorState):
            if self._fits_beside(len(value.data)):
                yield AnswerResponse(state=value)
        elif len(value.url) <= _URL and self._fits_beside(len(value.url) + _TITLE):
            yield AnswerResponse(citation=Citation(url=value.url, title=value.title[:_TITLE]))

    def _call(self, attempt: Attempt, call: ToolCall) -> Iterator[AnswerResponse]:
        yield from self.rest(attempt)
        size = len(call.id) + len(call.name) + len(call.arguments) + _EACH
        if size > self._room:
            self._room = 0
            return
        self._final = True
        self._room -= size
        yield AnswerResponse(tool_call=call)

    def rest(self, attempt: Attempt) -> Iterator[AnswerResponse]:
        """What was held back until the end of the text."""
        cut = attempt.usage is not None and attempt.usage.finish == Finish.FINISH_LENGTH
        text = _seamed(attempt, attempt.puts_back.rest(cut=cut) if attempt.puts_back else "", last=True)
        yield from self._text(text)
        if held := self._words.rest():
            yield AnswerResponse(text=held)

    def _text(self, text: str) -> Iterator[AnswerResponse]:
        if now := self._words.add(self._fitting(text)):
            yield AnswerResponse(text=now)

    def _fitting(self, text: str) -> str:
        fits, self._room = text[: max(0, self._room)], self._room - len(text)
        return fits

    def _fits_beside(self, size: int) -> bool:
        self._beside -= size + _EACH
        if self._beside < 0:
            self._room = 0
        return self._beside >= 0


def _seamed(attempt: Attempt, text: str, last: bool = False) -> str:
    if attempt.seam is None:
        return text
    try:
        return attempt.seam.add(text) + (attempt.seam.rest() if last else "")
    except Diverges:
        raise Unavailable("the answer broke off, and who was asked next began another one") from None
