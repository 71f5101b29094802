"""Calls within one process: no socket, no task, messages copied. A service runs in the task of whoever reads it, so one
that computes without awaiting cannot be cut before its next `yield`."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from google.protobuf.message import Message

from parlance.errors import DeadlineExceeded, ParlanceError, Unavailable
from parlance.rpc import Call, M, Method, close, failure, implemented, split


class DirectCarrier:
    """Carries calls to the services of this process.

    `services`: "Llm" -> object with `answer`, `cancel`, ... It is looked up at every call, so that services which ask
    each other can be put in after the carrier was made."""

    def __init__(self, services: Mapping[str, object]) -> None:
        self._services = services
        self._methods: dict[str, tuple[object, Method]] = {}
        self._running: set[_Reading] = set()
        self._down: set[str] = set()
        self._stopped = False
        for name, service in services.items():
            implemented(name, service)

    async def ask(
        self, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> AsyncGenerator[Message, None]:
        function = self._method(method)
        given = _copy(request) if isinstance(request, Message) else _copies(request)
        told = Call(call.id, _copy(call.header), call.deadline, call.begun)
        reading = _Reading(method, function(given, told), call.deadline)
        self._running.add(reading)
        try:
            while (message := await reading.next()) is not None:
                yield _copy(message)
        finally:
            self._running.discard(reading)
            await reading.close()
            if not isinstance(request, Message):
                await close(method, given)
                await close(method, request)

    async def stop(self) -> None:
        self._stopped = True
        for reading in tuple(self._running):
            reading.cut(Unavailable("this process stops; ask again once it runs"))

    def set_down(self, service: str, down: bool = True) -> None:
        """For tests and simulation: the service is out of reach, as if its process had died."""
        (self._down.add if down else self._down.discard)(service)
        if down:
            for reading in tuple(self._running):
                if split(reading.method)[0] == service:
                    reading.cut(_out_of_reach(service))

    def _method(self, method: str) -> Method:
        name, _ = split(method)
        service = self._services.get(name)
        if service is None or name in self._down or self._stopped:
            raise _out_of_reach(name)
        known = self._methods.get(method)
        if known is not None and known[0] is service:
            return known[1]
        function = implemented(name, service).get(method.partition(".")[2])
        if function is None:
            raise Unavailable(f"this {name} service has no method {method}")
        self._methods[method] = (service, function)
        return function


class _Reading:
    """One service generator while somebody reads it, and what may cut it short: its deadline, or the service's end.

    asyncio.timeout cannot stand around a `yield`: it would cancel whatever the reader awaits between two messages. Here
    the task is cancelled only while it is inside the service, once, and that cancel is taken back."""

    __slots__ = ("_cancelled", "_deadline", "_loop", "_reason", "_stream", "_task", "_timer", "method")

    def __init__(self, method: str, stream: AsyncGenerator[Message, None], deadline: float) -> None:
        self.method = method
        self._stream, self._deadline = stream, deadline
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(deadline, self._expire) if deadline < math.inf else None
        self._reason: ParlanceError | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelled = False

    def cut(self, reason: ParlanceError) -> None:
        """Called from outside the reading task. The first reason counts."""
        if self._reason is None:
            self._reason = reason
            if self._task is not None:
                self._cancelled = self._task.cancel()

    async def next(self) -> Message | None:
        """The next message; None after the last one."""
        if self._loop.time() >= self._deadline:
            self._expire()
        if self._reason is not None:
            raise self._reason
        task = self._task = asyncio.current_task(self._loop)
        assert task is not None, "calls are read inside a task"
        before = task.cancelling()
        message: Message | None = None
        try:
            message = await self._stream.__anext__()
        except StopAsyncIteration:
            pass
        except (Exception, asyncio.CancelledError) as exc:
            self._settle(task, before)
            raise failure(self.method, exc) from None
        self._settle(task, before)
        return message

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await close(self.method, self._stream)

    def _expire(self) -> None:
        self.cut(DeadlineExceeded(f"{self.method} was not done by its deadline"))

    def _settle(self, task: asyncio.Task[object], before: int) -> None:
        """Takes our cancel back and raises its reason. A cancel by anybody else in the meantime wins, also one of the
        same tick (asyncio throws a single CancelledError for both) and one that the service swallowed."""
        self._task = None
        if self._cancelled:
            self._cancelled = False
            task.uncancel()
        if task.cancelling() > before:
            raise asyncio.CancelledError
        if self._reason is not None:
            raise self._reason from None


def _out_of_reach(service: str) -> Unavailable:
    return Unavailable(f"no {service} service runs in this process")


def _copy(message: M) -> M:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


async def _copies(requests: AsyncIterator[Message]) -> AsyncGenerator[Message, None]:
    async for request in requests:
        yield _copy(request)
