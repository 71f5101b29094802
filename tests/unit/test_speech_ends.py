"""A turn that speech was told of gets its fact, whatever happens to the recogniser or the client."""

import asyncio
from contextlib import aclosing

import pytest

from parlance.rpc import Call
from parlance.v1.speech_service_pb2 import HearRequest
from parlance.v1.turn_pb2 import ErrorCode, Header
from services.speech import hearing
from services.speech.providers.scripted import Line
from tests.unit.speech_device import (
    AUTOMATIC,
    UNTIL_END,
    Device,
    Log,
    scripted,
    silence,
    turn,
    voice,
)


@pytest.fixture
def log() -> Log:
    return Log()


async def test_a_recogniser_that_fails_ends_the_turn_and_not_the_stream(log: Log) -> None:
    device = Device(scripted(log, Line(fault="UNAVAILABLE"), Line("two")), log)
    await device.say(*[voice(0.5), silence(1)] * 2).end().listen(facts=2)
    assert log[0].failed.stage == "speech"
    assert log[0].failed.error.code == ErrorCode.ERROR_CODE_UNAVAILABLE
    assert log[0].header.turn_id == "turn-1" and log[0].header.asked_at_us
    assert log[1].final.text == "two"


async def test_a_recogniser_that_hangs_fails_at_its_deadline(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "RECOGNITION_S", 0.01)
    await Device(scripted(log, Line(fault="HANG")), log).say(voice(0.5), silence(1)).end().listen()
    assert log[0].failed.error.code == ErrorCode.ERROR_CODE_DEADLINE_EXCEEDED


@pytest.mark.parametrize("at", ["started", "ended", "interim"])
async def test_a_stream_that_is_closed_still_ends_its_turns(log: Log, at: str) -> None:
    device = Device(scripted(log, Line("half", interims=("ha",), fault="HANG")), log, UNTIL_END, lambda n: None)
    device.say(voice(1))
    device.sent.put_nowait(HearRequest(turn=turn(1)))
    device.end()
    # The header is known before the stream is closed: the responses are read later than the requests.
    stream = device.service.hear(device.requests(), Call("", Header()))
    async with aclosing(stream):
        await anext(stream)
        while device.sent.qsize():  # a few turns of the loop, until the requests are read
            await asyncio.sleep(0)
        if at != "started":
            async for response in stream:
                if response.HasField(at):
                    break
    [event] = log
    assert event.final.no_speech and event.header.turn_id == "turn-1" and event.header.deadline_us


async def test_a_stream_that_is_closed_before_its_turn_has_a_header_publishes_nothing(log: Log) -> None:
    device = Device(scripted(log), log, AUTOMATIC, lambda n: None).say(voice(1))
    await device.listen(until="started")
    assert log == []


async def test_a_client_that_vanishes_in_mid_sentence_is_not_acted_upon(log: Log) -> None:
    device = Device(scripted(log, Line("buy a thousand")), log, vanishes=True).say(voice(1))
    await device.listen()
    assert log[0].final.no_speech and log[0].header.turn_id == "turn-1"


async def test_what_was_said_before_the_client_vanished_is_answered(log: Log) -> None:
    await Device(scripted(log), log, vanishes=True).say(voice(1), silence(1)).listen()
    assert log[0].final.text == "hello"
