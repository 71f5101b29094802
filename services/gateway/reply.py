"""One reply on its way to a device: clauses become sound in order, and what was heard of them is known."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from parlance import clock, ids
from parlance.errors import ParlanceError, Unreachable
from parlance.rpc import Call, Carrier
from parlance.v1.gateway_service_pb2 import Clause, ConverseResponse, Ended, Problem, Spoken
from parlance.v1.reply_pb2 import TurnCompleted
from parlance.v1.tts_service_pb2 import SpeakRequest
from parlance.v1.turn_pb2 import Header, Heard, Modality
from services.gateway.outbox import Outbox

_SPEAK_S = 30.0
# How long a character takes to say, until an earlier clause of the reply has shown it.
_MS_PER_CHAR = 60.0


class Reply:
    """`mute`: the client shows words and takes no sound; then a clause counts as heard when it was sent."""

    def __init__(self, turn_id: str, outbox: Outbox, carrier: Carrier, mute: bool) -> None:
        self.turn_id = turn_id
        self._outbox, self._carrier, self._mute = outbox, carrier, mute
        self._todo: deque[tuple[Header, str]] = deque()
        self._wake = asyncio.Event()
        self._texts: list[str] = []
        self._ms: list[int] = []
        # Of the clause that is spoken: its number, and how much of its sound was sent.
        self._sent_seq, self._sent_bytes = -1, 0
        # What was heard of it before, elsewhere.
        self._heard_clauses, self._heard_ms = 0, 0
        # Whether sound of the last text may follow.
        self._speaking = False
        self._first_at = 0.0
        self._played_ms = -1
        self._played_all = False
        self._known: set[str] = set()
        # Called once, when the first piece of sound is on its way.
        self.on_sound: Callable[[], None] = lambda: None
        self.completed: TurnCompleted | None = None
        self.is_cut = False
        self.all_heard = False

    @property
    def sounded(self) -> bool:
        """Whether the device has been sent anything to hear."""
        return bool(self._texts)

    def take(self, event: Any) -> None:
        """A ReplyEvent of this turn, in the order of the topic; known ones and what follows the end are dropped."""
        header = event.header
        if self.completed is not None or header.event_id in self._known:
            return
        self._known.add(header.event_id)
        if event.WhichOneof("event") == "clause":
            if self.is_cut:
                return
            self._show(event.clause)
            self._todo.append((header, event.clause.text))
        else:
            self.completed = event.completed
            self._end(header, event.completed)
        self._wake.set()

    def resume(self, clauses: int, ms: int) -> None:
        """So much of it was heard before its conversation broke off elsewhere: whole clauses, and of the next one."""
        self._heard_clauses, self._heard_ms = clauses, ms

    def played(self, ms: int, everything: bool) -> None:
        self._played_ms = max(self._played_ms, ms)
        self._played_all = self._played_all or everything
        self._wake.set()

    def cut(self) -> None:
        self.is_cut = True
        self._todo.clear()
        self._wake.set()

    async def run(self) -> None:
        """Until all was heard, or the reply was cut."""
        while not self.is_cut:
            if self._todo:
                await self._say(*self._todo.popleft())
            elif self.completed is None:
                self._wake.clear()
                await self._wake.wait()
            else:
                break
        if not self.is_cut:
            self._outbox.put(ConverseResponse(spoken=Spoken(turn_id=self.turn_id, audio_ms=sum(self._ms))))
            await self._until_heard()

    def heard(self) -> Heard:
        """Whole clauses, and of the next one the share that sounded, down to a word."""
        total = sum(self._ms)
        ms = total if self.all_heard else min(total, self._ms_now())
        made = Heard(turn_id=self.turn_id, ms=ms, heard_at_us=clock.now_us())
        if self._mute or self.all_heard:
            made.clauses = len(self._texts)
            return made
        left = ms
        for text, length in zip(self._texts, self._lengths(), strict=True):
            if left < length:
                made.chars = _down_to_a_word(text, left / length)
                break
            made.clauses += 1
            left -= length
        return made

    def _lengths(self) -> list[int]:
        """Milliseconds of each clause. One that is still being spoken is longer than what was sent of it."""
        if not self._speaking:
            return self._ms
        *before, last = self._ms
        chars = sum(map(len, self._texts[:-1]))
        per_char = sum(before) / chars if chars and sum(before) else _MS_PER_CHAR
        return [*before, max(last + 1, round(per_char * len(self._texts[-1])))]

    def _ms_now(self) -> int:
        """What the device reported, or else what real time allows."""
        if self._played_ms >= 0:
            return self._played_ms
        if not self._first_at:
            return 0
        return int((asyncio.get_running_loop().time() - self._first_at) * 1000)

    def _show(self, clause: Any) -> None:
        shown = Clause(turn_id=self.turn_id, seq=clause.seq, text=clause.text, source=clause.source)
        shown.sources.extend(clause.sources)
        if clause.HasField("card"):
            shown.card.CopyFrom(clause.card)
        self._outbox.put(ConverseResponse(clause=shown))

    def _end(self, header: Header, completed: TurnCompleted) -> None:
        ended = Ended(turn_id=self.turn_id, outcome=completed.outcome, reason=completed.reason, say=completed.say)
        if completed.HasField("error"):
            ended.error.CopyFrom(completed.error)
        self._outbox.put(ConverseResponse(ended=ended))
        if completed.say and not self.is_cut:
            self._todo.append((header, completed.say))

    async def _say(self, header: Header, text: str) -> None:
        seq = len(self._texts)
        self._texts.append(text)
        self._ms.append(0)
        if self._mute or seq < self._heard_clauses:
            return
        call = Call(ids.call_id(header.event_id, "Tts.Speak", 0), header, asyncio.get_running_loop().time() + _SPEAK_S)
        self._speaking = True
        try:
            for last in (False, True):
                try:
                    async with aclosing(self._carrier.ask("Tts.Speak", SpeakRequest(text=text), call)) as parts:
                        await self._send(seq, parts)
                    break
                except Unreachable:  # it died while it spoke: from there on, another replica
                    if last:
                        raise
            self._speaking = self.is_cut
        except ParlanceError as exc:
            self._speaking = False
            self._outbox.put(ConverseResponse(problem=Problem(error=exc.to_proto())))

    async def _send(self, seq: int, parts: Any) -> None:
        """What of this clause was sent already is left out."""
        rate, skip = 16000, self._sent_bytes if self._sent_seq == seq else 0
        self._sent_seq, self._sent_bytes = seq, skip
        async for part in parts:
            if self.is_cut:
                return
            if part.HasField("began"):
                rate = part.began.sample_rate_hz
                if seq == self._heard_clauses and not self._sent_bytes:
                    skip = 2 * (self._heard_ms * rate // 1000)
                continue
            pcm = part.pcm[skip:]
            skip = max(0, skip - len(part.pcm))
            if not pcm:
                continue
            if self._outbox.full:
                await self._outbox.room()
                if self.is_cut:
                    return
            self._sounds()
            message = ConverseResponse()
            audio = message.audio
            audio.turn_id, audio.seq, audio.pcm, audio.sample_rate_hz = self.turn_id, seq, pcm, rate
            self._ms[seq] += len(pcm) * 1000 // (2 * rate)
            self._sent_bytes += len(pcm)
            self._outbox.put(message)

    def _sounds(self) -> None:
        if not self._first_at:
            self._first_at = asyncio.get_running_loop().time()
            self.on_sound()

    async def _until_heard(self) -> None:
        """Until the device says that all has sounded, or real time has passed for one that says nothing."""
        if not self._mute and self._ms:
            end = self._first_at + sum(self._ms) / 1000 + 0.1
            reports = self._played_ms >= 0
            patience = end + 3.0 if reports else end
            loop = asyncio.get_running_loop()
            while not (self.is_cut or self._played_all or self._outbox.closed) and loop.time() < patience:
                await self._next(patience - loop.time())
        self.all_heard = not self.is_cut and not (self._outbox.closed and not self._played_all and not self._mute)

    async def _next(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def _down_to_a_word(text: str, share: float) -> int:
    chars = int(len(text) * share)
    if chars >= len(text):
        return len(text)
    return max(0, text.rfind(" ", 0, chars + 1))


def not_yet_sounding(turns: Mapping[str, Header], replies: Mapping[str, Reply]) -> str:
    """The spoken turn that the user may still be in the middle of: its reply has not begun to sound."""
    for turn_id, header in turns.items():
        reply = replies.get(turn_id)
        if header.modality == Modality.MODALITY_SPOKEN and (reply is None or not reply.sounded):
            return turn_id
    return ""
