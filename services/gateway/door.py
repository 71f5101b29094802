"""What a turn is told that cannot be taken: one sentence, with a sound that was made beforehand, so that refusing costs
next to nothing when there is nothing left to spend.

A refused turn was never accepted: it opens nothing, so nothing has to end it. It does not vanish either: its device is
told at once, and the log says how many were refused (TurnsRefused).
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from parlance import clock, ids, log, metrics
from parlance.errors import ParlanceError, Unavailable
from parlance.log import logger
from parlance.rpc import Call
from parlance.v1.gateway_service_pb2 import Audio, ConverseResponse, Ended, Hello, Spoken
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.session_pb2 import TurnsRefused
from parlance.v1.tts_service_pb2 import SpeakRequest
from parlance.v1.turn_pb2 import Header
from services.gateway.admission import Admission
from services.gateway.outbox import Outbox
from services.gateway.parts import Parts
from services.gateway.standstill import NOTHING_TAKEN, Unwritten

SAY = "I have too much to do right now. Please ask me again in a moment."
# As such a turn's outcome and reason are counted.
_OVERLOADED = ("refused", "overloaded")
SAY_UNWRITTEN = "I cannot note anything down right now, so I cannot help. Please ask me again in a few minutes."
_TELL_S = 1.0
_SPEAK_S = 30.0


@dataclass(frozen=True, slots=True)
class _Sound:
    """Of one version of the voice's route."""

    version: str
    pcm: bytes = b""
    rate_hz: int = 16000

    @property
    def ms(self) -> int:
        return len(self.pcm) * 1000 // (2 * self.rate_hz)


class Door:
    """`publish` writes a fact of this gateway. Between the start of `run` and its end the sentence has a sound."""

    def __init__(self, parts: Parts, publish: Callable[[Header, Message], object]) -> None:
        self.admission = Admission()
        self._parts, self._publish = parts, publish
        self.unwritten = Unwritten()
        # By sentence.
        self._sounds: dict[str, _Sound] = {}
        # By run: what the log has not been told yet.
        self._refused: dict[str, int] = {}
        self._wanted = asyncio.Event()
        self._warned = False
        metrics.ends([_OVERLOADED])

    def why(self) -> str:
        """What is told of a turn that is refused now."""
        return SAY_UNWRITTEN if self.unwritten.stands() else SAY

    def takes(self, *, new: bool) -> bool:
        """`new`: the turn begins a conversation; those that go on go before."""
        return not self.unwritten.stands() and self.admission.takes(new=new)

    def error(self) -> ParlanceError | None:
        """What an operator must know of a refusal; None where it is only that there is too much to do."""
        return Unavailable(self._parts.bus.failed or NOTHING_TAKEN) if self.unwritten.stands() else None

    def sound(self, say: str) -> _Sound:
        """Of the sentence; without pcm where no voice could say it."""
        return self._sounds.get(say, _Sound(""))

    def refused(self, run: str) -> None:
        """Counts a turn; the log is told within a second."""
        self._refused[run] = self._refused.get(run, 0) + 1
        self._wanted.set()
        metrics.ended(*_OVERLOADED)

    async def run(self) -> None:
        """Makes the sound, and says in the log what was refused, once a second at most. Until cancelled."""
        while True:
            for say in (SAY, SAY_UNWRITTEN):
                await self._prepare(say)
            await self._wanted.wait()
            await asyncio.sleep(_TELL_S)
            self._wanted.clear()
            self.tell()

    def tell(self) -> None:
        refused, self._refused = self._refused, {}
        if refused and not self._warned:
            self._warned = True
            waits_s = self.unwritten.waits_s() if self.unwritten.stands() else self.admission.waits_s
            logger.warning("the gateway refuses turns: one would wait %.1f s", waits_s)
        for run, turns in refused.items():
            wait_us = round(self.admission.waits_s * 1e6)
            self._publish(self._header(run), TurnsRefused(turns=turns, wait_us=wait_us))
        self._warned = self._warned and not self.takes(new=True)

    async def _prepare(self, say: str) -> None:
        """Made again where the route has changed. Without a voice the sentence is text alone."""
        version = self._parts.routes.current("tts").version
        if (known := self.sound(say)).pcm and known.version == version:
            return
        header = self._header("")
        call = Call(ids.call_id(ids.new(), "Tts.Speak", 0), header, asyncio.get_running_loop().time() + _SPEAK_S)
        made, rate = bytearray(), 16000
        try:
            async with aclosing(self._parts.carrier.ask("Tts.Speak", SpeakRequest(text=say), call)) as parts:
                part: Any
                async for part in parts:
                    if part.HasField("began"):
                        rate = part.began.sample_rate_hz
                    made += part.pcm
        except ParlanceError as exc:
            logger.warning("gateway: the sentence of a refusal has no sound: %s", exc.message)
            return
        except Exception as exc:
            log.failed("gateway: the sentence of a refusal has no sound", exc)
            return
        self._sounds[say] = _Sound(version, bytes(made), rate)

    def _header(self, run: str) -> Header:
        """Of no turn and no session."""
        parts = self._parts
        return Header(
            run=run,
            user_id=parts.user_id,
            accepted_at_us=clock.now_us(),
            reply_partition=parts.slot,
            time_zone=parts.time_zone,
        )


class Entrance:
    """One device's way in: its turns are taken, or it is told at once that they are not."""

    def __init__(self, door: Door, outbox: Outbox, hello: Hello) -> None:
        self._door, self._outbox = door, outbox
        self._mute, self._run = hello.mute, hello.run
        # The turn that was refused last, and until when that sounds.
        self._sounding, self._until = "", 0.0

    def takes(self, turn_id: str, *, new: bool) -> bool:
        """`new`: no conversation goes on in its session yet."""
        if self._door.takes(new=new):
            return True
        self._refuse(turn_id)
        return False

    def asked(self, turn_id: str) -> None:
        """It waits for its first word from now on."""
        self._door.admission.accepted(turn_id)

    def gone(self, turn_id: str) -> None:
        """Nobody waits for its first word any more."""
        self._door.admission.answered(turn_id)

    def hush(self) -> None:
        if self._sounding and asyncio.get_running_loop().time() < self._until:
            self._outbox.silence(self._sounding)
        self._sounding = ""

    def _refuse(self, turn_id: str) -> None:
        say, error = self._door.why(), self._door.error()
        put, sound = self._outbox.put, self._door.sound(say)
        ended = Ended(turn_id=turn_id, outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_OVERLOADED, say=say)
        if error is not None:
            ended.error.CopyFrom(error.to_proto())
        put(ConverseResponse(ended=ended))
        heard = not self._mute and bool(sound.pcm)
        if heard:
            put(ConverseResponse(audio=Audio(turn_id=turn_id, pcm=sound.pcm, sample_rate_hz=sound.rate_hz)))
            self._sounding, self._until = turn_id, asyncio.get_running_loop().time() + sound.ms / 1000
        put(ConverseResponse(spoken=Spoken(turn_id=turn_id, audio_ms=sound.ms if heard else 0)))
        self._door.refused(self._run)
