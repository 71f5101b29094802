"""Gateway's ear: what a client sends becomes audio for speech, and every utterance gets its turn's header."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from parlance.errors import ParlanceError
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.gateway_service_pb2 import AudioEncoding, AudioEnd, ConverseRequest, Hello, Listening
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, SpeechEnded, SpeechFinal, SpeechStarted
from parlance.v1.turn_pb2 import Header
from services.gateway.acceptances import Acceptances
from services.gateway.hearing import Hearing
from services.gateway.outbox import Outbox


class _Speech:
    """Starts an utterance only once all of its audio is there, as a short recording makes it."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.bytes = 0

    async def hear(self, requests: AsyncIterator[HearRequest], call: Call) -> AsyncGenerator[HearResponse, None]:
        async for request in requests:
            kind = request.WhichOneof("message")
            if kind == "pcm":
                self.bytes += len(request.pcm)
            elif kind == "turn":
                self.headers.append(request.turn.turn_id)
                yield HearResponse(final=SpeechFinal(turn_id=request.turn.turn_id, text="hello"))
            elif kind == "end":
                yield HearResponse(started=SpeechStarted())
                yield HearResponse(ended=SpeechEnded())


class _Listener:
    session_id, device_id = "s", "d"

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.acceptances = Acceptances(self.outbox)
        self.turns: dict[str, Header] = {}
        self.problems: list[ParlanceError] = []

    def speech_began(self) -> Header:
        return Header(turn_id="t")

    def problem(self, error: ParlanceError) -> None:
        self.problems.append(error)


async def _messages(*messages: ConverseRequest) -> AsyncIterator[ConverseRequest]:
    for message in messages:
        yield message


async def _heard(hello: Hello, *messages: ConverseRequest) -> tuple[_Speech, _Listener, list[Any]]:
    speech, listener = _Speech(), _Listener()
    await Hearing(hello, listener, DirectCarrier({"Speech": speech})).run(_messages(*messages))
    listener.outbox.close()
    return speech, listener, [m async for m in listener.outbox.drain()]


async def test_a_client_that_hangs_up_right_after_its_audio_keeps_its_turn() -> None:
    hello = Hello(listening=Listening.LISTENING_UNTIL_END)
    speech, _, sent = await _heard(hello, ConverseRequest(audio=b"\0" * 6400), ConverseRequest(audio_end=AudioEnd()))
    assert speech.headers == ["t"] and speech.bytes == 6400
    assert [m.transcript.text for m in sent] == ["hello"]


async def test_a_file_that_is_no_sound_is_a_problem_and_no_turn() -> None:
    hello = Hello(encoding=AudioEncoding.AUDIO_ENCODING_FILE)
    speech, listener, _ = await _heard(hello, ConverseRequest(audio=b"hello"), ConverseRequest(audio_end=AudioEnd()))
    assert len(listener.problems) == 1 and not speech.headers


@pytest.mark.parametrize("rate", [8000, 48000])
async def test_any_rate_comes_in_and_16_khz_goes_on(rate: int) -> None:
    hello = Hello(listening=Listening.LISTENING_UNTIL_END, sample_rate_hz=rate, channels=2)
    second = ConverseRequest(audio=b"\0" * (rate * 4))
    speech, _, _ = await _heard(hello, second, ConverseRequest(audio_end=AudioEnd()))
    assert abs(speech.bytes - 32000) < 1600
