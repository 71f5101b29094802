"""Recognition from a script, without listening: for tests, load runs and the simulation."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlance.errors import InvalidRequest, from_code
from parlance.v1.turn_pb2 import ErrorCode
from services.speech.provider import Final, Interim


@dataclass(frozen=True, slots=True)
class Line:
    """What one utterance gives. `fault`: the name of an error code, such as "UNAVAILABLE"; "HANG" never answers."""

    text: str = ""
    delay_ms: float = 0
    interims: tuple[str, ...] = ()
    confidence: float = 1.0
    fault: str = ""


class Scripted:
    """The n-th utterance gets the n-th line; after the last one it begins again.

    `client`: the lines. From a route they are made of settings: `text` (several lines: one utterance each),
    `delay_ms`, `fault`."""

    def __init__(
        self,
        model: str = "",
        client: Sequence[Line] | None = None,
        *,
        home: str = "",
        **settings: str,
    ) -> None:
        self._lines = tuple(client or _lines(**settings))
        for line in self._lines:
            _code(line.fault)
        self._asked = 0

    async def transcribe(self, pcm: NDArray[np.int16]) -> AsyncGenerator[Interim | Final, None]:
        line = self._lines[self._asked % len(self._lines)]
        self._asked += 1
        for text in line.interims:
            await asyncio.sleep(0)
            yield Interim(text)
        # A real one gives the loop back at least once, too.
        await asyncio.sleep(line.delay_ms / 1000)
        if line.fault == "HANG":
            await asyncio.Event().wait()
        if (code := _code(line.fault)) is not None:
            raise from_code(code, "the script says so")
        yield Final(line.text, line.confidence)


def _lines(text: str = "", delay_ms: str = "0", fault: str = "") -> list[Line]:
    try:
        return [Line(line, float(delay_ms), fault=fault) for line in text.split("\n")]
    except ValueError as exc:
        raise InvalidRequest(f"delay_ms must be a number, not '{delay_ms}'") from exc


def _code(fault: str) -> ErrorCode.ValueType | None:
    if fault in ("", "HANG"):
        return None
    try:
        return ErrorCode.Value(f"ERROR_CODE_{fault}")
    except ValueError as exc:
        raise InvalidRequest(f"unknown fault '{fault}': name an error code, such as UNAVAILABLE") from exc
