"""Audio in: whatever the client sends becomes 16 kHz mono for speech, and what speech hears becomes turns."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

from parlance.audio import Resampler, decode
from parlance.errors import InvalidRequest, ParlanceError, Unreachable
from parlance.rpc import Call, Carrier
from parlance.v1.gateway_service_pb2 import (
    AudioEncoding,
    AudioEnd,
    ConverseRequest,
    ConverseResponse,
    Hello,
    Interim,
    Listening,
    Transcript,
)
from parlance.v1.speech_service_pb2 import HearRequest, HearStart
from parlance.v1.turn_pb2 import Header
from services.gateway.acceptances import Acceptances
from services.gateway.door import Entrance
from services.gateway.kept_sound import KeptSound

_FILE_MAX = 256 * 1024 * 1024
_PIECE_BYTES = 6400  # 200 ms
_QUEUED = 256
# How long speech may answer nowhere, and how often it is tried.
_PATIENCE_S, _AGAIN_S = 10.0, 0.2


class Listener(Protocol):
    session_id: str
    device_id: str
    acceptances: Acceptances
    entrance: Entrance
    turns: dict[str, Header]

    def speech_began(self) -> Header:
        """Without a turn_id: this turn is refused."""

    def problem(self, error: ParlanceError) -> None: ...


class Hearing:
    def __init__(self, hello: Hello, listener: Listener, carrier: Carrier) -> None:
        self._listener, self._carrier = listener, carrier
        self._is_file = hello.encoding == AudioEncoding.AUDIO_ENCODING_FILE
        automatic = not self._is_file and hello.listening != Listening.LISTENING_UNTIL_END
        self._listening = Listening.LISTENING_AUTOMATIC if automatic else Listening.LISTENING_UNTIL_END
        self._resampler = Resampler(hello.sample_rate_hz or 16000, hello.channels or 1)
        self._file = bytearray()
        # Unbounded, for a turn's header must never wait behind audio; audio itself waits for room.
        self._to_speech: asyncio.Queue[HearRequest | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._turn_id = ""
        # In case that speech dies in the middle of an utterance.
        self._kept = KeptSound(until_end=not automatic)
        self._again: deque[Header] = deque()
        # Utterances whose end was sent and that speech has not told of yet: their turns still need headers.
        self._untold = 0
        self._told = asyncio.Event()
        # Nothing more will be sent.
        self._over = False

    async def run(self, messages: AsyncIterator[ConverseRequest]) -> None:
        """Until there are no more messages and everything sent has been heard."""
        async with asyncio.TaskGroup() as group:
            listening = None
            async for message in messages:
                if listening is None:
                    listening = group.create_task(self._listen())
                await self._take(message)
            while self._untold > 0:
                self._told.clear()
                await self._told.wait()
            self._to_speech.put_nowait(None)

    async def _take(self, message: ConverseRequest) -> None:
        if message.WhichOneof("message") == "audio":
            if not self._is_file:
                await self._send(self._resampler.push(message.audio))
            elif len(self._file) + len(message.audio) > _FILE_MAX:
                raise InvalidRequest(f"the file is larger than {_FILE_MAX // 2**20} MB; send a shorter one")
            else:
                self._file += message.audio
        else:
            await self._end()

    async def _end(self) -> None:
        if self._is_file:
            data, self._file = bytes(self._file), bytearray()
            try:
                pcm = await asyncio.to_thread(decode, data)
            except ParlanceError as exc:
                self._listener.problem(exc)
                return
            await self._send(pcm.tobytes())
        else:
            await self._send(self._resampler.flush())
        if self._listening == Listening.LISTENING_UNTIL_END:
            self._untold += 1
        self._to_speech.put_nowait(HearRequest(end=AudioEnd()))

    async def _send(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), _PIECE_BYTES):
            while self._to_speech.qsize() > _QUEUED:
                self._room.clear()
                await self._room.wait()
            self._to_speech.put_nowait(HearRequest(pcm=pcm[start : start + _PIECE_BYTES]))

    async def _requests(self, again: list[HearRequest]) -> AsyncGenerator[HearRequest, None]:
        yield HearRequest(start=HearStart(listening=self._listening))
        for piece in again:
            yield piece
        while not self._over:
            message = await self._to_speech.get()
            self._room.set()
            if message is None:
                self._over = True
                return
            self._kept.sent(message)
            yield message

    async def _listen(self) -> None:
        """Where speech answers no more, what it had not told the words of is sent again, to another replica of it or
        to the same one once it is back."""
        call = Call("", Header(session_id=self._listener.session_id, device_id=self._listener.device_id))
        loop = asyncio.get_running_loop()
        again: list[HearRequest] = []
        silent_since = None
        while True:
            try:
                async with aclosing(self._carrier.ask("Speech.Hear", self._requests(again), call)) as heard:
                    async for response in heard:
                        silent_since = None
                        self._on(response)
                break
            except Unreachable:
                silent_since = silent_since or loop.time()
                if loop.time() - silent_since > _PATIENCE_S:
                    raise
            await asyncio.sleep(_AGAIN_S)
            again, self._again = self._kept.again()
        self._untold = 0
        self._told.set()

    def _begin(self) -> Header:
        header = self._listener.speech_began()
        self._turn_id = header.turn_id
        self._kept.began(header)
        return header

    def _ended(self, turn_id: str) -> None:
        """Its turn waits for its first word from now on; of one that was refused nothing more is told."""
        if turn_id in self._listener.turns:
            self._listener.entrance.asked(turn_id)
        elif not turn_id:
            self._kept.settled("")

    def _on(self, response: Any) -> None:
        kind, tell = response.WhichOneof("message"), self._listener.acceptances.words
        if kind == "started":
            header = self._again.popleft() if self._again else self._begin()
            self._to_speech.put_nowait(HearRequest(turn=header))
        elif kind == "ended":
            self._ended(self._turn_id)
            self._untold = max(0, self._untold - 1)
            self._told.set()
        elif kind == "interim":
            interim = Interim(turn_id=self._turn_id, text=response.interim.text)
            tell(interim.turn_id, ConverseResponse(interim=interim))
        elif kind == "final":
            final = response.final
            self._kept.settled(final.turn_id)
            words = Transcript(turn_id=final.turn_id, text=final.text, no_speech=final.no_speech)
            tell(words.turn_id, ConverseResponse(transcript=words))
