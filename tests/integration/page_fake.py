"""A gateway that answers by script: what the page and its socket can be tried against without any model.

python -m tests.integration.page_fake PORT        serves the page with it
"""

import asyncio
import contextlib
import itertools
import math
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from parlance import clock
from parlance.errors import InvalidRequest
from parlance.rpc import Call
from parlance.v1.gateway_service_pb2 import (
    Accepted,
    Audio,
    Clause,
    ConverseRequest,
    ConverseResponse,
    Ended,
    GetTurnRequest,
    GetTurnResponse,
    Interim,
    ListTurnsRequest,
    ListTurnsResponse,
    Ready,
    Silence,
    Spoken,
    Step,
    Transcript,
    TurnSummary,
)
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import Card, Modality
from services.gateway.web import Web

RATE_HZ = 24000
PIECE_MS = 200
_NUMBERS = itertools.count()  # no turn of a server that comes back has the id of one before


def tone(ms: int, hz: float = 330.0) -> bytes:
    count = RATE_HZ * ms // 1000
    samples = (int(9000 * math.sin(2 * math.pi * hz * i / RATE_HZ)) for i in range(count))
    return struct.pack(f"<{count}h", *samples)


class Scripted:
    """Answers "long" with twenty clauses of 1 s, "soon" with two turns, the second unasked; anything else with two.
    The words of "away" leave the device.

    Sound is a turn of its own once 25 frames have come: the script hears "what is it" in everything."""

    def __init__(self) -> None:
        self.seen: list[ConverseRequest] = []
        self.open = 0
        self.turns: list[TurnSummary] = []
        self._frames = 0
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that came, or a conversation that opened or ended."""
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def converse(
        self, requests: AsyncIterator[ConverseRequest], call: Call
    ) -> AsyncGenerator[ConverseResponse, None]:
        first = await anext(requests)
        if not first.HasField("hello"):
            raise InvalidRequest("the first message of a conversation is hello")
        out: asyncio.Queue[ConverseResponse | None] = asyncio.Queue()
        out.put_nowait(ConverseResponse(ready=Ready(session_id="session", device_id="device")))
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(requests, out, group))
            self.open += 1
            self._changed.set()
            try:
                while (response := await out.get()) is not None:
                    yield response
            finally:
                self.open -= 1
                self._changed.set()
                listening.cancel()

    async def _listen(
        self,
        requests: AsyncIterator[ConverseRequest],
        out: "asyncio.Queue[ConverseResponse | None]",
        group: asyncio.TaskGroup,
    ) -> None:
        turn: asyncio.Task[None] | None = None
        try:
            async for request in requests:
                self.seen.append(request)
                self._changed.set()
                kind = request.WhichOneof("message")
                heard = kind == "audio" and self._one_more_frame()
                if turn is not None and (kind in ("interrupt", "text") or heard):
                    turn.cancel()
                if kind == "text" or heard:
                    turn = group.create_task(self._turn(request.text.text, out, spoken=heard))
        finally:
            if turn is not None:
                turn.cancel()
            out.put_nowait(None)

    def _one_more_frame(self) -> bool:
        self._frames += 1
        return self._frames % 100 == 25

    async def _turn(self, text: str, out: "asyncio.Queue[ConverseResponse | None]", *, spoken: bool) -> None:
        turn_id = f"turn{next(_NUMBERS):04d}"
        modality = Modality.MODALITY_SPOKEN if spoken else Modality.MODALITY_TYPED
        at = clock.now_us()
        summary = TurnSummary(turn_id=turn_id, modality=modality, accepted_at_us=at, text=text, intent="scripted")
        self.turns.insert(0, summary)
        out.put_nowait(ConverseResponse(accepted=Accepted(turn_id=turn_id, modality=modality, accepted_at_us=at)))
        if spoken:
            await self._hear(turn_id, out)
        try:
            await self._reply(turn_id, out, 20 if "long" in text else 2)
        except asyncio.CancelledError:
            summary.outcome, summary.reason = Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED
            out.put_nowait(ConverseResponse(silence=Silence(turn_id=turn_id)))
            out.put_nowait(
                ConverseResponse(ended=Ended(turn_id=turn_id, outcome=summary.outcome, reason=summary.reason))
            )
            raise
        summary.outcome = Outcome.OUTCOME_ANSWERED
        out.put_nowait(ConverseResponse(ended=Ended(turn_id=turn_id, outcome=summary.outcome)))
        out.put_nowait(ConverseResponse(spoken=Spoken(turn_id=turn_id, audio_ms=1)))
        if "soon" in text:
            await asyncio.sleep(1)
            await self._reply("unasked1", out, 1)
            out.put_nowait(ConverseResponse(spoken=Spoken(turn_id="unasked1")))

    async def _hear(self, turn_id: str, out: "asyncio.Queue[ConverseResponse | None]") -> None:
        for words in ("what", "what is", "what is it"):
            await asyncio.sleep(0.3)
            out.put_nowait(ConverseResponse(interim=Interim(turn_id=turn_id, text=words)))
        out.put_nowait(ConverseResponse(transcript=Transcript(turn_id=turn_id, text="What is it?")))

    async def _reply(self, turn_id: str, out: "asyncio.Queue[ConverseResponse | None]", clauses: int) -> None:
        await asyncio.sleep(0.3)
        summary = next((t for t in self.turns if t.turn_id == turn_id), TurnSummary())
        for seq in range(clauses):
            clause = Clause(turn_id=turn_id, seq=seq, text=f"This is clause number {seq} of the answer.")
            if seq == 1:
                clause.source = "your contacts"
                clause.card.CopyFrom(Card(title="Anna Example", lines=["+34 600 000 000", "anna@example.org"]))
            out.put_nowait(ConverseResponse(clause=clause))
            summary.reply += clause.text + " "
            for _ in range(1000 // PIECE_MS):
                await asyncio.sleep(PIECE_MS / 2000)
                audio = Audio(turn_id=turn_id, seq=seq, pcm=tone(PIECE_MS), sample_rate_hz=RATE_HZ)
                out.put_nowait(ConverseResponse(audio=audio))

    async def list_turns(self, request: ListTurnsRequest, call: Call) -> AsyncGenerator[ListTurnsResponse, None]:
        yield ListTurnsResponse(turns=self.turns[: request.limit or 20])

    async def get_turn(self, request: GetTurnRequest, call: Call) -> AsyncGenerator[GetTurnResponse, None]:
        found = next((t for t in self.turns if t.turn_id == request.turn_id), None)
        if found is None:
            raise InvalidRequest("names no turn here")
        told = GetTurnResponse(summary=found)
        at = 0
        if found.modality == Modality.MODALITY_SPOKEN:
            at = 900_000
            told.steps.append(Step(name="speech", event="FinalTranscript", start_us=at, end_us=1_100_000))
            at = 1_100_000
        told.steps.append(Step(name="gateway", event="TurnAccepted", start_us=0, end_us=300))
        told.steps.append(
            Step(name="intent", event="IntentRecognized", start_us=at, end_us=at + 4_200, note="scripted 0.98")
        )
        told.steps.append(
            Step(name="tts", event="ClauseSpoken", start_us=at + 30_000, end_us=at + 400_000, provider="tone:330")
        )
        if "away" in found.text:
            step = Step(name="llm", event="EgressRecorded", provider="compatible:large", note="question")
            step.left_to, step.start_us, step.end_us = "api.example.org", at + 20_000, at + 20_000
            told.steps.append(step)
        yield told


async def _serve(port: int) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await Web(Scripted(), port).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
