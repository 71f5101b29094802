"""A device outside: it says things, notes what it is sent, comes back when the connection is gone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from parlance.rpc import Call
from parlance.v1.gateway_service_pb2 import (
    AudioEnd,
    ConverseRequest,
    ConverseResponse,
    Hello,
    Interrupt,
    Listening,
    Played,
    Text,
)
from parlance.v1.turn_pb2 import Header
from tests.simulation.nodes import Stack

_BACK_S = 0.05


class Client:
    def __init__(self, stack: Stack, session_id: str, device_id: str, mute: bool | None = None) -> None:
        self._stack, self._world = stack, stack.world
        chance = self._world.chance
        self.session_id, self.device_id = session_id, device_id
        self._mute = chance.random() < 0.2 if mute is None else mute
        # Whether it tells when all has been played.
        self._reports = chance.random() < 0.5
        # What each connection was sent, in order.
        self.connections: list[list[ConverseResponse]] = []
        self._inbox: asyncio.Queue[ConverseRequest] | None = None
        self._task: asyncio.Task[None] | None = None

    def connect(self) -> None:
        gateway = self._stack.gateway
        if gateway is None or not gateway[0].alive:
            self._world.later(_BACK_S, self.connect)
            return
        life, service = gateway
        inbox = self._inbox = asyncio.Queue()
        got: list[ConverseResponse] = []
        self.connections.append(got)
        self._task = self._world.loop.create_task(self._talk(service, inbox, got), context=life.context)
        life.mourners[inbox] = lambda: self._lost(inbox)

    def _lost(self, inbox: Any) -> None:
        if self._inbox is inbox:
            self._inbox = None
            self._world.later(self._world.delay(0.5), self.connect)

    def vanish(self) -> None:
        """The connection breaks; the device comes back."""
        inbox = self._inbox
        if inbox is not None and self._task is not None:
            self._world.later(0, self._task.cancel)
            self._lost(inbox)

    def say(self, text: str) -> None:
        self._send([ConverseRequest(text=Text(text=text))])

    def speak(self, text: str, *, to_the_end: bool = True) -> None:
        sent = [ConverseRequest(audio=text.encode("utf-16-le")), ConverseRequest(audio_end=AudioEnd())]
        self._send(sent if to_the_end else sent[:1])

    def hush(self) -> None:
        """Ends what it speaks."""
        self._send([ConverseRequest(audio_end=AudioEnd())])

    def interrupt(self) -> None:
        self._send([ConverseRequest(interrupt=Interrupt())])

    def _send(self, messages: list[ConverseRequest]) -> None:
        inbox: asyncio.Queue[ConverseRequest] | None = self._inbox
        if inbox is not None:
            for message in messages:
                inbox.put_nowait(message)
        elif not self._world.closed:
            self._world.later(_BACK_S, self._send, messages)

    async def _talk(self, service: Any, inbox: Any, got: list[ConverseResponse]) -> None:
        async with aclosing(service.converse(self._requests(inbox), Call("", Header()))) as responses:
            async for response in responses:
                got.append(response)
                if response.WhichOneof("message") == "spoken" and self._reports:
                    self._world.later(response.spoken.audio_ms / 1000, self._played, inbox, response.spoken)
                await asyncio.sleep(self._world.delay(0.01))
        self._world.later(0, self._lost, inbox)

    def _played(self, inbox: asyncio.Queue[ConverseRequest], spoken: Any) -> None:
        if self._inbox is inbox:
            played = Played(turn_id=spoken.turn_id, ms=spoken.audio_ms, all=True)
            inbox.put_nowait(ConverseRequest(played=played))

    async def _requests(self, inbox: Any) -> AsyncGenerator[ConverseRequest, None]:
        hello = Hello(
            session_id=self.session_id,
            device_id=self.device_id,
            mute=self._mute,
            sample_rate_hz=16000,
            channels=1,
            listening=Listening.LISTENING_UNTIL_END,
        )
        yield ConverseRequest(hello=hello)
        while True:
            yield await inbox.get()
