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
        # When the timer is set for, in the loop's time.
        self._watched = math.inf
        self._timer: asyncio.TimerHandle | None = None
        for name, service in services.items():
            implemented(name, service)

    async def ask(
        self, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> AsyncGenerator[Message, None]:
        function = self._method(method)
        given = _copy(request) if isinstance(request, Message) else _copies(request)
        told = Call(call.id, _copy(call.header), call.deadline, call.begun)
        stream, reading = function(given, told), _Reading(method, call.deadline)
        self._running.add(reading)
        self._watch(call.deadline)
        try:
            while True:
                task, before = reading.enter()
                try:
                    message = await stream.__anext__()
                except StopAsyncIteration:
                    reading.leave(task, before)
                    return
                except (Exception, asyncio.CancelledError) as exc:
                    reading.leave(task, before)
                    raise failure(method, exc) from None
                reading.leave(task, before)
                yield _copy(message)
        finally:
            self._running.discard(reading)
            await close(method, stream)
            if not isinstance(request, Message):
                await close(method, given)
                await close(method, request)

    async def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for reading in tuple(self._running):
            reading.cut(Unavailable("this process stops; ask again once it runs"))

    def set_down(self, service: str, down: bool = True) -> None:
        """For tests and simulation: the service is out of reach, as if its process had died."""
        (self._down.add if down else self._down.discard)(service)
        if down:
            for reading in tuple(self._running):
                if split(reading.method)[0] == service:
                    reading.cut(_out_of_reach(service))

    def _watch(self, deadline: float) -> None:
        """One timer for all calls, at the first deadline: nearly all are over before theirs."""
        if deadline < self._watched:
            if self._timer is not None:
                self._timer.cancel()
            self._watched = deadline
            self._timer = asyncio.get_running_loop().call_at(deadline, self._look)

    def _look(self) -> None:
        now, self._watched, self._timer = asyncio.get_running_loop().time(), math.inf, None
        for reading in self._running:
            if reading.deadline <= now:
                reading.expire()
            else:
                self._watch(reading.deadline)

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
    """What may cut a call short while somebody reads it: its deadline, or the service's end.

    asyncio.timeout cannot stand around a `yield`: it would cancel whatever the reader awaits between two messages. Here
    the task is cancelled only while it is inside the service, once, and that cancel is taken back."""

    __slots__ = ("_cancelled", "_loop", "_reason", "_task", "deadline", "method")

    def __init__(self, method: str, deadline: float) -> None:
        self.method, self.deadline = method, deadline
        self._loop = asyncio.get_running_loop()
        self._reason: ParlanceError | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelled = False

    def cut(self, reason: ParlanceError) -> None:
        """Called from outside the reading task. The first reason counts."""
        if self._reason is None:
            self._reason = reason
            if self._task is not None:
                self._cancelled = self._task.cancel()

    def expire(self) -> None:
        self.cut(DeadlineExceeded(f"{self.method} was not done by its deadline"))

    def enter(self) -> tuple[asyncio.Task[object], int]:
        """The service is read next: the task that reads, and how often it was cancelled before."""
        if self._loop.time() >= self.deadline:
            self.expire()
        if self._reason is not None:
            raise self._reason
        task = self._task = asyncio.current_task(self._loop)
        assert task is not None, "calls are read inside a task"
        return task, task.cancelling()

    def leave(self, task: asyncio.Task[object], before: int) -> None:
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
