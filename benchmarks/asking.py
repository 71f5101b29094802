"""A client over gRPC that types or speaks in real time, and says at once that it has heard the whole reply."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parlance import clock
from parlance.client import Client
from parlance.v1.gateway_service_pb2 import (
    AudioEncoding,
    ConverseRequest,
    ConverseResponse,
    Hello,
    Listening,
    Played,
    Text,
)

RATE_HZ = 16_000
PIECE_MS = 20
_PIECE = RATE_HZ * PIECE_MS // 1000
_ANSWER_S = 60.0


@dataclass(slots=True)
class Answered:
    """Wall microseconds. `last_loud_us`: when the piece with the recording's last loud sample was sent."""

    turn_id: str = ""
    last_loud_us: int = 0
    first_audio_us: int = 0
    outcome: int = 0


class Asking:
    """One conversation in automatic listening. `async with`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._requests: asyncio.Queue[ConverseRequest | None] = asyncio.Queue()
        self._messages: AsyncGenerator[ConverseResponse, None]

    async def __aenter__(self) -> "Asking":
        self._messages = self._client.converse(self._sent())
        await anext(self._messages)
        return self

    async def __aexit__(self, *exc: Any) -> None:
        self._requests.put_nowait(None)
        await self._messages.aclose()

    async def typed(self, text: str) -> Answered:
        self._put(ConverseRequest(text=Text(text=text)))
        return await self._answer(Answered())

    async def spoken(self, samples: NDArray[np.int16]) -> Answered:
        """`samples` at 16 kHz, sent as fast as they sound, then silence until the answer has come."""
        answered = Answered()
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(self._speak(samples, answered))
            await self._answer(answered)
            speaking.cancel()
        return answered

    async def _speak(self, samples: NDArray[np.int16], answered: Answered) -> None:
        loop = asyncio.get_running_loop()
        began, loud = loop.time(), last_loud(samples)
        silence = np.zeros(_PIECE, np.int16)
        n = 0
        while True:
            piece = samples[n * _PIECE : (n + 1) * _PIECE]
            piece = piece if len(piece) == _PIECE else np.concatenate([piece, silence[len(piece) :]])
            await asyncio.sleep(began + (n + 1) * PIECE_MS / 1000 - loop.time())
            self._put(ConverseRequest(audio=piece.tobytes()))
            if n == loud // _PIECE:
                after_it = ((n + 1) * _PIECE - 1 - loud) * 1_000_000 // RATE_HZ
                answered.last_loud_us = clock.now_us() - after_it
            n += 1

    async def _answer(self, answered: Answered) -> Answered:
        async with asyncio.timeout(_ANSWER_S):
            while True:
                message = await anext(self._messages)
                kind = message.WhichOneof("message")
                if kind == "accepted":
                    answered.turn_id = message.accepted.turn_id
                elif kind == "audio":
                    answered.first_audio_us = answered.first_audio_us or clock.now_us()
                elif kind == "ended":
                    answered.outcome = message.ended.outcome
                elif kind == "problem":
                    raise RuntimeError(message.problem.error.message)
                elif kind == "spoken":
                    played = Played(turn_id=answered.turn_id, ms=message.spoken.audio_ms, all=True)
                    self._put(ConverseRequest(played=played))
                    return answered

    def _put(self, request: ConverseRequest | None) -> None:
        self._requests.put_nowait(request)

    async def _sent(self) -> AsyncGenerator[ConverseRequest, None]:
        yield ConverseRequest(
            hello=Hello(
                encoding=AudioEncoding.AUDIO_ENCODING_PCM_S16LE,
                sample_rate_hz=RATE_HZ,
                channels=1,
                listening=Listening.LISTENING_AUTOMATIC,
            )
        )
        while (request := await self._requests.get()) is not None:
            yield request


def last_loud(samples: NDArray[np.int16]) -> int:
    """The last sample within 35 dB of the recording's peak."""
    level = np.abs(samples.astype(np.int32))
    return int(np.flatnonzero(level > level.max() * 10 ** (-35 / 20))[-1])
