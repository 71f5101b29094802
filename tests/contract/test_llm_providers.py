"""What every language-model provider must do, run over all that can run here."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
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
from tests.unit.sse_server import event, whole

httpx2 = pytest.importorskip("httpx2", reason="the extra `llm` is not installed")
openai = pytest.importorskip("openai", reason="the extra `llm` is not installed")

REQUEST = AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text="tell me about the weather")])


class _Stream(httpx2.AsyncByteStream):
    """The body of a response, as a server streams it."""

    def __init__(self, *events: str) -> None:
        self._events, self.closed = events, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event_ in self._events:
            yield event_.encode()

    async def aclose(self) -> None:
        self.closed = True


def _client(stream: _Stream) -> openai.AsyncOpenAI:
    """The SDK, whose every request is answered with the stream."""
    answered = httpx2.MockTransport(lambda request: httpx2.Response(200, stream=stream))
    return openai.AsyncOpenAI(
        api_key="x", base_url="http://house.example/v1", http_client=httpx2.AsyncClient(transport=answered)
    )


def _emulated(vendor: str) -> Any:
    """Over the network's place, which has a whole answer of the vendor."""
    pytest.importorskip("httpx2", reason="the extra `llm` is not installed")
    from tests.unit import test_llm_anthropic, test_llm_google, vendor_wire

    if vendor == "google":
        chunks = [google.chunk(google.part("It is ")), google.chunk(google.part("sunny."), finish="STOP")]
        return test_llm_google.connected(vendor_wire.Vendor(google.wire(chunks)))
    events = [anthropic.start(), *anthropic.text(0, "It is ", "sunny."), *anthropic.end()]
    return test_llm_anthropic.connected(vendor_wire.Vendor(anthropic.wire(events)))


MADE: dict[str, Callable[[], Any]] = {
    "anthropic": lambda: _emulated("anthropic"),
    "google": lambda: _emulated("google"),
    "scripted": lambda: providers.load("llm", PROVIDERS, "scripted:echo"),
    "scripted story": lambda: providers.load("llm", PROVIDERS, "scripted:story"),
    "unconfigured": lambda: providers.load("llm", PROVIDERS, "unconfigured:"),
    "compatible": lambda: providers.load(
        "llm", PROVIDERS, "compatible:m", client=_client(_Stream(*whole("It is ", "sunny.")))
    ),
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
    stream = _Stream(event("It is "))
    compatible = providers.load("llm", PROVIDERS, "compatible:m", client=_client(stream))
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
