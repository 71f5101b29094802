"""What every language-model provider must do, run over all that can run here."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from parlance import providers
from parlance.errors import InvalidRequest, ParlanceError
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role
from services.llm.provider import Usage
from services.llm.providers import PROVIDERS
from tests.unit import anthropic_streams as anthropic
from tests.unit import google_streams as google

REQUEST = AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text="tell me about the weather")])


class _Stream:
    """A vendor's stream as the SDK gives it, of plain chunks."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks, self.closed = iter(chunks), False

    async def __aenter__(self) -> "_Stream":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.closed = True

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._chunks)
        except StopIteration:
            raise StopAsyncIteration from None


class _Chunk:
    def __init__(self, text: str = "", finish: str | None = None, usage: Any = None) -> None:
        delta = type("Delta", (), {"content": text})()
        self.choices = [type("Choice", (), {"delta": delta, "finish_reason": finish})()]
        self.usage = usage


class _Client:
    """The part of the SDK's client that `compatible` uses."""

    def __init__(self, stream: _Stream) -> None:
        async def create(**asked: Any) -> _Stream:
            return stream

        completions = type("Completions", (), {"create": staticmethod(create)})()
        self.chat = type("Chat", (), {"completions": completions})()


def _emulated(vendor: str) -> Any:
    """Over the network's place, which has a whole answer of the vendor."""
    pytest.importorskip("httpx2", reason="the extra `llm` is not installed")
    from tests.unit import test_llm_anthropic, test_llm_google, vendor_wire

    if vendor == "google":
        chunks = [google.chunk(google.part("It is ")), google.chunk(google.part("sunny."), finish="STOP")]
        return test_llm_google.connected(vendor_wire.Vendor(google.wire(chunks)))
    events = [anthropic.start(), *anthropic.text(0, "It is ", "sunny."), *anthropic.end()]
    return test_llm_anthropic.connected(vendor_wire.Vendor(anthropic.wire(events)))


WHOLE = [_Chunk("It is "), _Chunk("sunny."), _Chunk(finish="stop")]

MADE: dict[str, Callable[[], Any]] = {
    "anthropic": lambda: _emulated("anthropic"),
    "google": lambda: _emulated("google"),
    "scripted": lambda: providers.load("llm", PROVIDERS, "scripted:echo"),
    "scripted story": lambda: providers.load("llm", PROVIDERS, "scripted:story"),
    "unconfigured": lambda: providers.load("llm", PROVIDERS, "unconfigured:"),
    "compatible": lambda: providers.load("llm", PROVIDERS, "compatible:m", client=_Client(_Stream(list(WHOLE)))),
}


async def _values(answer: AsyncGenerator[str | Usage, None]) -> list[str | Usage]:
    async with aclosing(answer):
        return [value async for value in answer]


@pytest.fixture(params=sorted(MADE))
def provider(request: pytest.FixtureRequest) -> Any:
    return MADE[request.param]()


async def test_an_answer_is_text_and_then_exactly_one_usage(provider: Any) -> None:
    *texts, usage = await _values(provider.answer(REQUEST))
    assert texts and all(isinstance(t, str) and t for t in texts)
    assert isinstance(usage, Usage)


async def test_an_answer_can_be_closed_in_the_middle(provider: Any) -> None:
    answer = provider.answer(REQUEST)
    await anext(answer)
    await answer.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(answer)


async def test_it_says_where_its_requests_go(provider: Any) -> None:
    assert isinstance(provider.destination, str)


async def test_a_stream_that_ends_without_its_last_event_is_an_error_never_a_short_answer() -> None:
    stream = _Stream([_Chunk("It is ")])
    compatible = providers.load("llm", PROVIDERS, "compatible:m", client=_Client(stream))
    with pytest.raises(ParlanceError) as failure:
        await _values(compatible.answer(REQUEST))
    assert failure.value.retryable and stream.closed


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("compatible:m", "base_url"),
        ("nobody:x", "known:"),
        ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("google:m", "GEMINI_API_KEY"),
    ],
)
def test_a_route_that_cannot_work_is_refused_with_what_to_do(target: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        providers.load("llm", PROVIDERS, target)
