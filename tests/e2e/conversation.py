"""One Converse stream as a device holds it: what is sent, and everything that came back, in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from parlance.client import Client
from parlance.errors import ParlanceError
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import (
    AudioEnd,
    ConverseRequest,
    ConverseResponse,
    GetTurnRequest,
    Hello,
    Interrupt,
    Played,
    SetRouteRequest,
    Text,
)

PATIENCE_S = 30.0


@dataclass(eq=False)
class Conversation:
    """`received` holds (kind, message) of every response so far."""

    client: Client
    received: list[tuple[str, Any]] = field(default_factory=list)
    over: bool = False
    # What ended the stream, where that was an error.
    error: ParlanceError | None = None
    # Cleared: nothing is read.
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    _requests: "asyncio.Queue[ConverseRequest | None]" = field(default_factory=asyncio.Queue)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def text(self, text: str) -> None:
        self._requests.put_nowait(ConverseRequest(text=Text(text=text)))

    def interrupt(self) -> None:
        self._requests.put_nowait(ConverseRequest(interrupt=Interrupt()))

    def played(self, turn_id: str, ms: int, everything: bool = False) -> None:
        self._requests.put_nowait(ConverseRequest(played=Played(turn_id=turn_id, ms=ms, all=everything)))

    def audio(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 3200):
            self._requests.put_nowait(ConverseRequest(audio=pcm[start : start + 3200]))

    def end_of_audio(self) -> None:
        self._requests.put_nowait(ConverseRequest(audio_end=AudioEnd()))

    def hello(self, hello: Hello) -> None:
        self._requests.put_nowait(ConverseRequest(hello=hello))

    def leave(self) -> None:
        """No more will be sent."""
        self._requests.put_nowait(None)

    def of(self, kind: str, turn_id: str = "") -> list[Any]:
        return [m for k, m in self.received if k == kind and (not turn_id or m.turn_id == turn_id)]

    async def until(self, met: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
        """The first true value of `met`, looked at whenever something came."""
        async with asyncio.timeout(seconds):
            while not (found := met()):
                assert not self.over, (self.error, [k for k, _ in self.received][-20:])
                self._news.clear()
                await self._news.wait()
        return found

    async def next_turn(self) -> str:
        """The id of the turn that is accepted next."""
        known = len(self.of("accepted"))
        accepted = await self.until(lambda: self.of("accepted")[known:])
        return str(accepted[0].turn_id)

    async def ask(self, text: str) -> str:
        """Types a question; returns its turn once it was accepted."""
        known = len(self.of("accepted"))
        self.text(text)
        return str((await self.until(lambda: self.of("accepted")[known:]))[0].turn_id)

    async def answered(self, text: str) -> str:
        """Types a question, hears the whole answer; returns its words."""
        turn_id = await self.ask(text)
        await self.until(lambda: self.of("spoken", turn_id))
        self.played(turn_id, 0, everything=True)
        return " ".join(clause.text for clause in self.of("clause", turn_id))

    async def told(self, turn_id: str) -> Any:
        return await self.client.ask("GetTurn", GetTurnRequest(turn_id=turn_id))

    async def requests(self) -> AsyncGenerator[ConverseRequest, None]:
        while (request := await self._requests.get()) is not None:
            yield request

    async def read(self, responses: AsyncGenerator[ConverseResponse, None]) -> None:
        self.flows.set()
        try:
            async with aclosing(responses):
                async for response in responses:
                    await self.flows.wait()
                    kind = response.WhichOneof("message") or ""
                    self.received.append((kind, getattr(response, kind)))
                    self._news.set()
        except ParlanceError as exc:
            self.error = exc
        finally:
            self.over = True
            self._news.set()


async def route(address: str, stage: str, target: str, **settings: str) -> None:
    """Sets a route of the running platform."""
    async with Client(address) as client:
        await client.ask("SetRoute", SetRouteRequest(route=RouteSet(stage=stage, target=target, settings=settings)))


@asynccontextmanager
async def conversation(address: str, hello: Hello | None = None) -> AsyncIterator[Conversation]:
    """A conversation that is ready; at the end the client vanishes."""
    async with Client(address) as client, asyncio.TaskGroup() as group:
        made = Conversation(client)
        made.hello(hello or Hello())
        reading = group.create_task(made.read(client.converse(made.requests())))
        try:
            await made.until(lambda: made.of("ready"))
            yield made
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
