"""What answers until somebody connects a model: the truth, and what to do."""

from collections.abc import AsyncGenerator

from parlance.v1.llm_service_pb2 import AnswerRequest
from services.llm.provider import Usage

_WORDS = (
    "I have no language model yet, so I cannot answer that. ",
    "To connect one, use the command: parlance routes set llm.",
)


class Unconfigured:
    destination = ""

    def __init__(self, model: str = "", **settings: str) -> None:
        pass

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[str | Usage, None]:
        for words in _WORDS:
            yield words
        yield Usage(estimated=True)
