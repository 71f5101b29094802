"""A device that asks for a long story and interrupts it. Times are time.monotonic(): the same in all processes."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from typing import Any

from parlance.v1.gateway_service_pb2 import (
    AudioEncoding,
    ConverseRequest,
    ConverseResponse,
    Hello,
    Interrupt,
    Listening,
    Text,
)
from parlance.v1.turn_pb2 import Modality

_SOUND = b"\0" * 640
_ENOUGH_S = 10.0


@dataclass(slots=True)
class Trial:
    """`at`: when the interruption was handed over. `after_silence`: pieces of the old turn after its Silence."""

    at: float = 0.0
    last_sound_at: float = 0.0
    silence_at: float = 0.0
    after_silence: int = 0

    def told(self) -> dict[str, Any]:
        return asdict(self)


class Interrupting:
    def __init__(self) -> None:
        self._requests: asyncio.Queue[ConverseRequest] = asyncio.Queue()
        self._now = Trial()
        self._old = ""

    async def requests(self) -> AsyncGenerator[ConverseRequest, None]:
        yield ConverseRequest(
            hello=Hello(
                session_id="bargein",
                encoding=AudioEncoding.AUDIO_ENCODING_PCM_S16LE,
                sample_rate_hz=16000,
                listening=Listening.LISTENING_AUTOMATIC,
            )
        )
        while True:
            request = await self._requests.get()
            if not request.HasField("text"):
                self._now.at = time.monotonic()
            yield request

    async def begin(self, messages: AsyncGenerator[ConverseResponse, None]) -> None:
        await anext(messages)

    async def trial(self, messages: AsyncGenerator[ConverseResponse, None], pieces: int, *, speaks: bool) -> Trial:
        """Interrupts a story at its n-th piece of sound, and follows it until its end has been told."""
        trial = self._now = Trial()
        self._old = ""
        self._requests.put_nowait(ConverseRequest(text=Text(text="tell me a story")))
        async with asyncio.timeout(_ENOUGH_S):
            while True:
                message = await anext(messages)
                kind = message.WhichOneof("message")
                if kind == "accepted" and message.accepted.modality == Modality.MODALITY_TYPED:
                    self._old = message.accepted.turn_id
                elif kind == "audio" and message.audio.turn_id == self._old:
                    self._sound(trial)
                    pieces -= 1
                    if pieces == 0:
                        self._interrupt(speaks)
                elif kind == "silence" and message.silence.turn_id == self._old:
                    trial.silence_at = trial.silence_at or time.monotonic()
                elif kind == "ended" and message.ended.turn_id == self._old:
                    return trial

    def _interrupt(self, speaks: bool) -> None:
        self._requests.put_nowait(
            ConverseRequest(audio=_SOUND) if speaks else ConverseRequest(interrupt=Interrupt(turn_id=self._old))
        )

    def _sound(self, trial: Trial) -> None:
        trial.last_sound_at = time.monotonic()
        if trial.silence_at:
            trial.after_silence += 1
