"""What a handler may ask. An ask is idempotent: its call id derives from the event that is handled, the method, and
how many asks of that method came before it in program order.

`turn.ask.llm.Answer(request)` is awaitable (its one message) or an async iterator; `aclose()` ends it.
"""

from collections.abc import AsyncGenerator, Generator
from typing import Any, Protocol

from google.protobuf.message import Message

from parlance import ids
from parlance.errors import ParlanceError, as_error
from parlance.v1.reply_pb2 import ConsumedCall
from parlance.v1.turn_pb2 import END_CANCELLED, END_COMPLETE, END_FAILED, END_UNSPECIFIED, End, Header


class Opens(Protocol):
    """Opens a call: carries it to the service, or answers it from the record."""

    def __call__(self, call_id: str, method: str, request: Message) -> AsyncGenerator[Any, None]: ...


class Asked:
    """One ask and how much of its answer was taken."""

    def __init__(self, call_id: str, method: str, answer: AsyncGenerator[Any, None]) -> None:
        self.call_id, self.method = call_id, method
        self.chunks = 0
        self.end: End.ValueType = END_UNSPECIFIED
        self.error: ParlanceError | None = None
        self._answer = answer

    def __aiter__(self) -> "Asked":
        return self

    async def __anext__(self) -> Any:
        try:
            message = await anext(self._answer)
        except StopAsyncIteration:
            self.end = END_COMPLETE
            raise
        except Exception as exc:
            self.error, self.end = as_error(exc), END_FAILED
            raise self.error from exc
        self.chunks += 1
        return message

    def __await__(self) -> Generator[Any, None, Any]:
        return self._one().__await__()

    async def _one(self) -> Any:
        first = None
        async for message in self:
            first = message
        return first

    async def aclose(self) -> None:
        """Stops taking; the service is told by Cancel where the turn ends, not by this."""
        if self.end == END_UNSPECIFIED:
            self.end = END_CANCELLED
        await self._answer.aclose()

    def consumed(self) -> ConsumedCall:
        made = ConsumedCall(call_id=self.call_id, method=self.method, chunks=self.chunks, end=self.end or END_CANCELLED)
        if self.error is not None:
            made.error.CopyFrom(self.error.to_proto())
        return made


class _Method:
    __slots__ = ("_ask", "_name")

    def __init__(self, ask: "Ask", name: str) -> None:
        self._ask, self._name = ask, name

    def __getattr__(self, method: str) -> Any:
        return lambda request: self._ask.call(f"{self._name}.{method}", request)


class Ask:
    """The services that a handler may ask, by name: `ask.llm`, `ask.actions`, `ask.context`."""

    def __init__(self, cause: Header, opens: Opens) -> None:
        self._cause, self._opens = cause, opens
        self._count: dict[str, int] = {}
        self.asked: list[Asked] = []

    def __getattr__(self, service: str) -> _Method:
        return _Method(self, service.capitalize())

    def call(self, method: str, request: Message) -> Asked:
        n = self._count.get(method, 0)
        self._count[method] = n + 1
        call_id = ids.call_id(self._cause.event_id, method, n)
        asked = Asked(call_id, method, self._opens(call_id, method, request))
        self.asked.append(asked)
        return asked

    async def aclose(self) -> None:
        """Closes whatever the handler left open."""
        for asked in self.asked:
            if asked.end == END_UNSPECIFIED:
                await asked.aclose()
