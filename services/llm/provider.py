"""The seam to language-model vendors."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from parlance.v1.llm_service_pb2 import AnswerRequest, Finish


@dataclass(frozen=True, slots=True)
class Usage:
    """The last value of an answer, exactly once. `estimated`: the vendor did not say; counted by us."""

    finish: Finish.ValueType = Finish.FINISH_STOP
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False


class Provider(Protocol):
    """A vendor adapter, made as `Class(model, **settings)` with the settings of its route.

    Raises parlance.errors only. Does not retry, does not log content, does not read the environment."""

    # Host and port that a request leaves for; "" where nothing leaves the process.
    destination: str

    def answer(self, request: AnswerRequest) -> AsyncGenerator[str | Usage, None]:
        """Pieces of text, then the Usage. A stream that ends without its vendor's last event is Unavailable."""
        ...


def words_of(request: AnswerRequest) -> int:
    """A rough count of tokens, where nobody else counts: three quarters of a word each (as OpenAI's guide has it)."""
    return sum(len(m.text.split()) for m in request.messages) * 4 // 3
