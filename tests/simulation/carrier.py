"""Calls between processes that can die, freeze, and lose each other."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from parlance.errors import DeadlineExceeded, ParlanceError, Unavailable
from parlance.rpc import Call, failure, implemented, split
from tests.simulation.loop import Life
from tests.simulation.world import World

_NETWORK_S = 0.02
# How many responses a service may be ahead of its reader.
_WINDOW = 2

# "Llm" -> (the process that offers it, the service); None: nobody does.
Places = Callable[[str], tuple[Life, object] | None]


class SimCarrier:
    def __init__(self, world: World, life: Life, places: Places) -> None:
        self._world, self._life, self._places = world, life, places

    async def ask(
        self, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> AsyncGenerator[Message, None]:
        if call.remaining() <= 0:
            raise DeadlineExceeded(f"{method}: the deadline was over")
        found = self._places(split(method)[0])
        wire = _Wire(self._world, self._life, found[0] if found else None, call.deadline)
        pump = None
        if found is None:
            self._world.later(self._world.delay(_NETWORK_S), wire.break_off)
        else:
            given = request if isinstance(request, Message) else wire.requests()
            wire.begin(found, method, given, call)
            if not isinstance(request, Message):
                pump = self._world.loop.create_task(wire.send(request))
        try:
            while (message := await wire.receive()) is not None:
                self._world.step()
                yield message
        finally:
            wire.close()
            if pump is not None:
                pump.cancel()

    async def stop(self) -> None:
        pass


class _Wire:
    """One call: responses to the asker, and the news that the other side is gone."""

    def __init__(self, world: World, asker: Life, server: Life | None, deadline: float) -> None:
        self._world, self._asker, self._server, self._deadline = world, asker, server, deadline
        self._inbox: deque[Message | ParlanceError | None] = deque()
        self._sent: deque[Message | None] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wakers: dict[str, asyncio.Future[None]] = {}
        self._ahead = 0
        self._over = False
        asker.mourners[self] = self._asker_died
        if server is not None:
            server.mourners[self] = self._server_died

    def begin(self, found: tuple[Life, object], method: str, given: Any, call: Call) -> None:
        function = implemented(split(method)[0], found[1])[method.partition(".")[2]]
        copied = Call(call.id, type(call.header).FromString(call.header.SerializeToString()), call.deadline, call.begun)
        if isinstance(given, Message):
            given = type(given).FromString(given.SerializeToString())

        def start() -> None:
            if not self._over and found[0].alive and not self._world.closed:
                serve = self._serve(method, function(given, copied))
                self._task = self._world.loop.create_task(serve, context=found[0].context)

        self._world.later(self._world.delay(_NETWORK_S), start)

    async def _serve(self, method: str, stream: Any) -> None:
        loop = self._world.loop
        end = asyncio.current_task()
        assert end is not None
        timer = loop.call_at(self._deadline, end.cancel) if self._deadline < float("inf") else None
        try:
            async with aclosing(stream):
                async for message in stream:
                    self._world.step()
                    self._deliver(type(message).FromString(message.SerializeToString()))
                    self._ahead += 1
                    while self._ahead >= _WINDOW:
                        await self._wait("window")
            self._deliver(None)
        except Exception as exc:
            self._deliver(failure(method, exc))
        finally:
            if timer is not None:
                timer.cancel()

    def _deliver(self, what: Message | ParlanceError | None) -> None:
        """Over the network, in order."""
        self._inbox.append(what)
        self._world.later(self._world.delay(_NETWORK_S), self._wake, "inbox")

    async def receive(self) -> Message | None:
        """The next response; None at the end."""
        while not self._inbox:
            await self._wait("inbox", self._deadline)
        if self._world.loop.time() >= self._deadline:
            raise DeadlineExceeded("the call was not done by its deadline")
        what = self._inbox.popleft()
        self._ahead -= 1
        self._wake("window")
        if isinstance(what, ParlanceError):
            raise what
        return what

    async def send(self, requests: AsyncIterator[Message]) -> None:
        async for message in requests:
            self._sent.append(type(message).FromString(message.SerializeToString()))
            self._world.later(self._world.delay(_NETWORK_S), self._wake, "sent")
        self._sent.append(None)
        self._world.later(self._world.delay(_NETWORK_S), self._wake, "sent")

    async def requests(self) -> AsyncGenerator[Message, None]:
        while True:
            while not self._sent:
                await self._wait("sent")
            message = self._sent.popleft()
            if message is None:
                return
            yield message

    async def _wait(self, what: str, until: float = float("inf")) -> None:
        loop = self._world.loop
        waker: asyncio.Future[None] = loop.create_future()
        self._wakers[what] = waker
        timer = loop.call_at(until, _settle, waker) if until < float("inf") else None
        try:
            await waker
        finally:
            if timer is not None:
                timer.cancel()
        if loop.time() >= until:
            raise DeadlineExceeded("the call was not done by its deadline")

    def _wake(self, what: str) -> None:
        waker = self._wakers.get(what)
        if waker is not None:
            _settle(waker)

    def break_off(self) -> None:
        """The asker learns that the service is out of reach; what was on its way may be lost."""
        if self._world.happens(0.5):
            self._inbox.clear()
        self._inbox.append(Unavailable("the service is out of reach"))
        self._wake("inbox")

    def _server_died(self) -> None:
        self._world.later(self._world.delay(_NETWORK_S * 5), self.break_off)

    def _asker_died(self) -> None:
        self.close()

    def close(self) -> None:
        """The asker is gone: the service's generator is ended a little later."""
        self._over = True
        self._asker.mourners.pop(self, None)
        if self._server is not None:
            self._server.mourners.pop(self, None)
        if self._task is not None and not self._task.done():
            self._world.later(self._world.delay(_NETWORK_S), self._task.cancel)


def _settle(waker: "asyncio.Future[None]") -> None:
    if not waker.done():
        waker.set_result(None)
