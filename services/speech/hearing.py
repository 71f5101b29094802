"""One stream of audio: what is heard in it becomes utterances, and each utterance one fact on speech.v1.

Two tasks share it: `listen` follows the audio, `recognise` turns ended utterances into words, one after the other,
while the audio goes on. An utterance is *open* from SpeechStarted until its fact is published.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlance import clock
from parlance.errors import DeadlineExceeded, InvalidRequest, ParlanceError, Unreachable, as_error
from parlance.v1.gateway_service_pb2 import Listening
from parlance.v1.speech_pb2 import SpeechEvent
from parlance.v1.speech_service_pb2 import (
    HearRequest,
    HearResponse,
    SpeechEnded,
    SpeechFinal,
    SpeechInterim,
    SpeechStarted,
)
from parlance.v1.turn_pb2 import Header
from services.speech.facts import failed_event, final_event
from services.speech.open_utterance import Open
from services.speech.provider import Final, Interim, Routed
from services.speech.tape import Tape
from services.speech.utterance import FRAME_US, Endpointer, Endpointing, Found, Utterance
from services.speech.vad import VoiceStream

# Longer messages are looked at in a thread: more than a millisecond of work.
_INLINE_BYTES = 2 * 1600
RECOGNITION_S = 20.0
# What recognition may need of a turn's time to be heard: speech that goes on until then is cut.
_RESERVE_US = 4_000_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What a stream is given. `publish` appends to the log and returns at once; `voice` gives a new detector."""

    publish: Callable[[SpeechEvent], None]
    recogniser: Callable[[], Routed]
    voice: Callable[[], VoiceStream]
    rules: Endpointing


class Hearing:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._voice = parts.voice()
        self._endpointer = Endpointer(parts.rules, automatic=True)
        self._automatic, self._begun = True, False
        self._tape, self._odd, self._skipped_us = Tape(), b"", 0
        self._open: list[Open] = []
        self._ended: asyncio.Queue[Open | None] = asyncio.Queue()
        # The turn that was heard last in this stream, and its words: the next one may go on with them.
        self._last: tuple[str, str] = ("", "")
        self._draining = False
        # None: the end.
        self.responses: asyncio.Queue[HearResponse | ParlanceError | None] = asyncio.Queue()

    def drain(self) -> None:
        """This process is to end: so does the stream, once nothing in it is open."""
        self._draining = True
        self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._draining and not self._open:
            self.responses.put_nowait(Unreachable("this replica of speech stops; ask another one"))

    async def listen(self, requests: AsyncIterator[HearRequest]) -> None:
        """Until there are no more requests. What was being said then was cut off, and is not acted upon."""
        try:
            async for request in requests:
                await self._on(request)
            if self._endpointer.speaking:
                self._endpointer.finish()
                self._hand_over(self._open[-1])
        except Exception as exc:
            self.responses.put_nowait(as_error(exc))
        finally:
            for utterance in self._open:
                if not utterance.header.done():
                    utterance.header.set_result(None)
            self._ended.put_nowait(None)

    async def recognise(self) -> None:
        """Until `listen` has ended and everything that it found is settled."""
        try:
            while (utterance := await self._ended.get()) is not None:
                words = await self._words(utterance)
                utterance.fact.recognition_ms = round((self._loop.time() - utterance.decided_at) * 1000)
                if (header := await utterance.header) is not None:
                    self._settle(utterance, header, words)
                self._open.remove(utterance)
                self._end_if_drained()
        except Exception as exc:
            self.responses.put_nowait(as_error(exc))
        self.responses.put_nowait(None)

    def close(self, error: ParlanceError | None = None) -> None:
        """Nobody follows this stream any more: every turn that was told to it gets its fact, at once. `error`: why;
        None: whoever spoke went away, and half a sentence is not acted upon."""
        for utterance in self._open:
            if (header := utterance.known()) is not None:
                utterance.asked_at_us = utterance.asked_at_us or clock.now_us()
                self._settle(utterance, header, error or Final("", 0.0))
        self._open.clear()

    async def _on(self, request: HearRequest) -> None:
        kind = request.WhichOneof("message")
        if kind == "start":
            if self._begun:
                raise InvalidRequest("a stream of audio starts once: open another one")
            self._automatic = request.start.listening != Listening.LISTENING_UNTIL_END
            self._endpointer = Endpointer(self._parts.rules, automatic=self._automatic)
            self._begun = True
        elif not self._begun:
            raise InvalidRequest("the first message of a stream of audio must be its start")
        elif kind == "pcm":
            await self._hear(request.pcm)
        elif kind == "turn":
            self._accept(request.turn)
        elif kind == "end":
            self._end()

    def _accept(self, header: Header) -> None:
        """Headers come in the order of the utterances that they were made for."""
        waiting = next((u for u in self._open if not u.header.done()), None)
        if waiting is None:
            raise InvalidRequest("a turn's header came for which no speech has started")
        waiting.header.set_result(header)

    async def _hear(self, pcm: bytes) -> None:
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % 2
        self._odd, pcm = pcm[whole:], pcm[:whole]
        if self._endpointer.deaf:
            self._skipped_us += len(pcm) * 1_000_000 // 32_000
            return
        self._tape.append(pcm)
        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        if len(pcm) <= _INLINE_BYTES:
            voiced = self._voice.push(samples)
        else:
            voiced = await asyncio.to_thread(self._voice.push, samples)
        for probability in voiced:
            self._follow(probability)
        if self._endpointer.speaking and self._late() and (utterance := self._endpointer.cut()):
            self._close_utterance(utterance)
        self._tape.forget_before(self._endpointer.needed_from)

    def _follow(self, probability: float) -> None:
        found, utterance = self._endpointer.push(probability), self._endpointer.utterance
        if found is Found.STARTED and utterance is not None:
            self._started(utterance.first)
        elif found is Found.ENDED and utterance is not None:
            self._close_utterance(utterance)

    def _late(self) -> bool:
        header = self._open[-1].known()
        return header is not None and 0 < header.deadline_us - _RESERVE_US < clock.now_us()

    def _end(self) -> None:
        """No more audio of this utterance. Where the whole audio is one, silence is an utterance too: a turn that
        was asked for must end."""
        answered = self._endpointer.deaf
        utterance = self._endpointer.finish()
        if utterance is None and not self._automatic and not answered:
            at = self._endpointer.frame
            self._started(at)
            utterance = Utterance(at, at, at)
        if utterance is not None:
            self._close_utterance(utterance)

    def _started(self, frame: int) -> None:
        self._open.append(Open(self._loop.create_future()))
        at = frame * FRAME_US + self._skipped_us
        self.responses.put_nowait(HearResponse(started=SpeechStarted(audio_at_us=at)))

    def _close_utterance(self, found: Utterance) -> None:
        """It has ended: by silence (then that was a while ago), by being told so, or by being too long."""
        rules, utterance = self._parts.rules, self._open[-1]
        waited_us = 0 if found.cut or not self._automatic else (found.decided - found.last - 1) * FRAME_US
        utterance.asked_at_us = clock.now_us() - waited_us
        if found.speech(rules):
            utterance.pcm = self._tape.take(found.spans(rules))
            utterance.fact.voiced_ms = (found.last + 1 - found.first) * FRAME_US // 1000
        utterance.fact.hangover_ms, utterance.fact.cut = waited_us // 1000, found.cut
        at = (found.last + 1) * FRAME_US + self._skipped_us
        self.responses.put_nowait(HearResponse(ended=SpeechEnded(audio_at_us=at)))
        self._hand_over(utterance)

    def _hand_over(self, utterance: Open) -> None:
        utterance.decided_at = self._loop.time()
        utterance.asked_at_us = utterance.asked_at_us or clock.now_us()
        self._ended.put_nowait(utterance)

    async def _words(self, utterance: Open) -> Final | ParlanceError:
        if utterance.pcm is None or not len(utterance.pcm):
            return Final("", 0.0)
        try:
            async with asyncio.timeout(RECOGNITION_S):
                return await self._recognised(utterance, utterance.pcm)
        except TimeoutError:
            return DeadlineExceeded(f"recognising took longer than {RECOGNITION_S:.0f} s: set a faster speech route")
        except Exception as exc:
            return as_error(exc)
        finally:
            utterance.pcm = None

    async def _recognised(self, utterance: Open, pcm: NDArray[np.int16]) -> Final:
        # In a thread, for a route that is new to this process is loaded by it.
        routed, last = await asyncio.to_thread(self._parts.recogniser), Final("", 0.0)
        utterance.fact.provider, utterance.fact.route_version = routed.target, routed.route_version
        async with aclosing(routed.provider.transcribe(pcm)) as parts:
            async for part in parts:
                if isinstance(part, Interim):
                    self.responses.put_nowait(HearResponse(interim=SpeechInterim(text=part.text)))
                else:
                    last = part
        return last

    def _settle(self, utterance: Open, header: Header, words: Final | ParlanceError) -> None:
        if isinstance(words, ParlanceError):
            self._parts.publish(failed_event(header, words, utterance.asked_at_us))
            return
        before = self._last[1] if header.continues and header.continues == self._last[0] else ""
        fact = utterance.fact
        fact.text = " ".join(part for part in (before, words.text.strip()) if part)
        fact.no_speech, fact.confidence = not fact.text, words.confidence if words.text else 0.0
        self._last = (header.turn_id, fact.text)
        event = final_event(header, fact, utterance.asked_at_us)
        self._parts.publish(event)
        final = SpeechFinal(turn_id=header.turn_id, text=fact.text, no_speech=fact.no_speech, header=event.header)
        self.responses.put_nowait(HearResponse(final=final))
