"""Models that take no time: a voice whose sound is there already, and answers that note when they were cut short."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from parlance.v1.llm_service_pb2 import AnswerRequest
from services.llm.provider import Usage
from services.llm.providers import PROVIDERS as MODELS
from services.llm.providers.scripted import Scripted
from services.tts.providers import PROVIDERS as VOICES

_PIECE = b"\0" * 3200  # 100 ms

# time.monotonic() of each stream of a provider that was closed before its end.
cut_answers: list[float] = []
cut_voices: list[float] = []


class Instant:
    """Each clause is `pieces` times 100 ms of silence, `pause_s` apart."""

    sample_rate_hz = 16000

    def __init__(self, model: str = "", pieces: str = "3", pause_s: str = "0", **settings: str) -> None:
        self._pieces, self._pause_s = int(pieces), float(pause_s)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        whole = False
        try:
            for _ in range(self._pieces):
                yield _PIECE
                if self._pause_s:
                    await asyncio.sleep(self._pause_s)
            whole = True
        finally:
            if not whole:
                cut_voices.append(time.monotonic())


class Noted(Scripted):
    """Scripted, and it notes when its stream was closed early."""

    def __init__(self, model: str = "", **settings: Any) -> None:
        super().__init__(model, **settings)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[str | Usage, None]:
        whole = False
        try:
            async with aclosing(super().answer(request)) as parts:
                async for part in parts:
                    yield part
            whole = True
        finally:
            if not whole:
                cut_answers.append(time.monotonic())


def register() -> None:
    """Makes `instant:` a voice and `noted:` a language model of this process."""
    VOICES["instant"] = "benchmarks.instant:Instant"
    MODELS["noted"] = "benchmarks.instant:Noted"
