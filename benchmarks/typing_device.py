"""A device in this process: it types, takes what comes, and says at once that it has heard all of it."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from parlance.rpc import Call
from parlance.v1.gateway_service_pb2 import ConverseRequest, ConverseResponse, Hello, Interrupt, Played, Text
from parlance.v1.turn_pb2 import Header
from services.gateway.service import GatewayService

_ROUNDS = 10


@dataclass(slots=True)
class Asked:
    """One turn as this device saw it. Times are time.perf_counter(); 0: it did not happen."""

    text: str
    turn_id: str = ""
    sent_at: float = 0.0
    first_clause_at: float = 0.0
    first_audio_at: float = 0.0
    ended_at: float = 0.0
    pieces: int = 0
    silenced: bool = False
    outcomes: list[int] = field(default_factory=list)
    clauses: list[int] = field(default_factory=list)

    @property
    def first_audio_ms(self) -> float:
        return (self.first_audio_at - self.sent_at) * 1000

    @property
    def first_clause_ms(self) -> float:
        return (self.first_clause_at - self.sent_at) * 1000

    @property
    def end_ms(self) -> float:
        return (self.ended_at - self.sent_at) * 1000


class TypingDevice:
    """`async with`. A time is taken when the gateway gets the text, and when a message stands in its outbox."""

    def __init__(self, gateway: GatewayService, session_id: str) -> None:
        self._gateway, self._session_id = gateway, session_id
        self._requests: asyncio.Queue[ConverseRequest | None] = asyncio.Queue()
        self._now = Asked("")
        self._device: Any = None
        self._messages: AsyncGenerator[ConverseResponse, None]

    async def __aenter__(self) -> "TypingDevice":
        self._messages = self._gateway.converse(self._sent(), Call("", Header()))
        await anext(self._messages)
        self._device = next(d for d in self._gateway._devices if d.session_id == self._session_id)
        put = self._device.outbox.put

        def noted(message: ConverseResponse) -> None:
            self._note(message)
            put(message)

        self._device.outbox.put = noted
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._requests.put_nowait(None)
        await self._messages.aclose()

    async def ask(self, text: str, interrupt_after: int = 0) -> Asked:
        """One turn, to its end and its last sound. `interrupt_after`: interrupts it at this piece of sound."""
        asked = self._now = Asked(text)
        self._requests.put_nowait(ConverseRequest(text=Text(text=text)))
        async for message in self._messages:
            if self._over(message, asked):
                break
            if interrupt_after and asked.pieces == interrupt_after:
                interrupt_after = 0
                self._requests.put_nowait(ConverseRequest(interrupt=Interrupt(turn_id=asked.turn_id)))
        played = Played(turn_id=asked.turn_id, ms=asked.pieces * 100, all=True)
        self._requests.put_nowait(ConverseRequest(played=played))
        for n in itertools.count():
            if not self._device.replies:
                break
            # Over a log that takes milliseconds, looking at each round of the loop would be most of what is measured.
            await asyncio.sleep(0 if n < _ROUNDS else 0.001)
        return asked

    def _over(self, message: ConverseResponse, asked: Asked) -> bool:
        """All has been sent; after an interruption: it is silent, and the end was told."""
        kind = message.WhichOneof("message")
        if kind == "audio":
            asked.pieces += 1
        elif kind == "accepted":
            asked.turn_id = message.accepted.turn_id
        elif kind == "clause":
            asked.clauses.append(message.clause.seq)
        elif kind == "ended":
            asked.outcomes.append(message.ended.outcome)
        elif kind == "silence":
            asked.silenced = asked.silenced or message.silence.turn_id == asked.turn_id
        return kind == "spoken" or (asked.silenced and bool(asked.outcomes))

    def _note(self, message: ConverseResponse) -> None:
        if message.HasField("clause"):
            self._now.first_clause_at = self._now.first_clause_at or time.perf_counter()
        if message.HasField("audio"):
            self._now.first_audio_at = self._now.first_audio_at or time.perf_counter()
        elif message.HasField("ended"):
            self._now.ended_at = time.perf_counter()

    async def _sent(self) -> AsyncGenerator[ConverseRequest, None]:
        yield ConverseRequest(hello=Hello(session_id=self._session_id))
        while (request := await self._requests.get()) is not None:
            if request.HasField("text"):
                self._now.sent_at = time.perf_counter()
            yield request
