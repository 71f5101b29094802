"""What the speech service makes of a stream of audio, with a recogniser that follows a script."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from parlance import clock, ids
from parlance.errors import InvalidRequest
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.gateway_service_pb2 import AudioEnd
from parlance.v1.speech_service_pb2 import HearRequest, HearStart
from parlance.v1.turn_pb2 import Header, Label
from services.speech.providers.scripted import Line, Scripted
from tests.unit.speech_device import (
    AUTOMATIC,
    UNTIL_END,
    Device,
    Listener,
    Log,
    LoudnessVoice,
    scripted,
    serving,
    silence,
    turn,
    voice,
)

ONE = ["started", "ended", "final"]


@pytest.fixture
def log() -> Log:
    return Log()


async def test_an_utterance_becomes_a_fact_with_the_turns_header(log: Log) -> None:
    device = Device(scripted(log, Line("what time is it", confidence=0.8)), log).say(silence(1), voice(1), silence(1))
    before = clock.now_us()
    await device.end().listen()
    assert device.kinds() == ONE
    [event] = log
    accepted = turn(1)
    assert event.final.text == "what time is it" and not event.final.no_speech and not event.final.cut
    assert event.final.confidence == pytest.approx(0.8)
    assert (event.final.provider, event.final.route_version) == ("scripted:", "v7")
    assert event.header.turn_id == "turn-1" and event.header.causation_id == accepted.event_id
    assert event.header.event_id == ids.event_id("", accepted.event_id, "FinalTranscript", 0)
    assert event.header.label == Label.LABEL_PERSONAL
    assert event.header.asked_at_us >= before
    assert event.header.deadline_us == event.header.asked_at_us + 30_000_000
    assert device.responses[-1].final.header == event.header


async def test_times_are_of_the_audio_however_fast_it_comes(log: Log) -> None:
    device = Device(scripted(log), log).say(silence(2.016), voice(0.992), silence(1.5))
    await device.end().listen()
    assert device.responses[0].started.audio_at_us == 2_016_000
    assert device.responses[1].ended.audio_at_us == 3_008_000
    assert log[0].final.voiced_ms == 992
    assert log[0].final.hangover_ms == 608


@pytest.mark.parametrize("chunk", [101, 1024, 3200, 10**6])
async def test_any_size_of_chunks_gives_the_same(log: Log, chunk: int) -> None:
    listener = Listener()
    device = Device(serving(log, listener, LoudnessVoice), log).say(silence(1), voice(0.3), silence(0.8), chunk=chunk)
    await device.end().listen()
    [pcm] = listener.heard
    # What is voiced, with 608 ms on either side.
    assert len(pcm) == pytest.approx(1.516 * 16000, abs=1024)
    assert (pcm == 8000).sum() == 4800


async def test_what_gateway_refused_is_neither_recognised_nor_told(log: Log) -> None:
    heard: list[str] = []

    class Counting(Scripted):
        async def transcribe(self, pcm: Any) -> AsyncGenerator[Any, None]:
            heard.append("recognised")
            async for part in super().transcribe(pcm):
                yield part

    lines = (Line("the second"),)
    service = serving(log, Counting(client=lines), LoudnessVoice)
    device = Device(service, log, header=lambda n: Header() if n == 1 else turn(n))
    listening = asyncio.ensure_future(device.say(voice(1)).listen())
    while not device.turns:
        await asyncio.sleep(0.01)
    device.say(silence(1.5), voice(1), silence(1.5))
    await listening
    assert [event.final.text for event in log] == ["the second"] and heard == ["recognised"]
    assert device.kinds() == ["started", "ended", "started", "ended", "final"]


async def test_automatic_listening_hears_many_utterances_in_one_stream(log: Log) -> None:
    device = Device(scripted(log, Line("one"), Line("two"), Line("three")), log)
    await device.say(*[voice(0.5), silence(1)] * 3).end().listen(facts=3)
    assert [e.final.text for e in log] == ["one", "two", "three"]
    assert [e.header.turn_id for e in log] == ["turn-1", "turn-2", "turn-3"]


async def test_until_end_all_of_the_audio_is_one_utterance(log: Log) -> None:
    listener = Listener()
    device = Device(serving(log, listener, LoudnessVoice), log, UNTIL_END)
    await device.say(silence(5), voice(1), silence(10), voice(1), silence(5)).end().listen()
    assert device.kinds() == ONE and len(log) == 1
    assert len(listener.heard[0]) < 4.5 * 16000
    assert log[0].final.hangover_ms == 0


async def test_until_end_silence_is_a_turn_in_which_nothing_was_said(log: Log) -> None:
    device = Device(scripted(log, Line("never said")), log, UNTIL_END)
    await device.say(silence(4)).end().listen()
    assert device.kinds() == ONE
    assert log[0].final.no_speech and log[0].final.text == "" and log[0].final.confidence == 0


async def test_until_end_no_audio_at_all_is_one_too(log: Log) -> None:
    await Device(scripted(log), log, UNTIL_END).end().listen()
    assert log[0].final.no_speech


async def test_a_button_held_twice_gives_two_turns(log: Log) -> None:
    device = Device(scripted(log, Line("one"), Line("two")), log, UNTIL_END)
    await device.say(voice(1)).end().say(silence(1), voice(1)).end().listen(facts=2)
    assert [e.final.text for e in log] == ["one", "two"]


async def test_automatic_silence_gives_nothing(log: Log) -> None:
    device = Device(scripted(log), log)
    await device.say(silence(10)).end().listen(facts=0)
    assert device.responses == [] and log == []


async def test_speech_in_which_no_words_are_found_is_no_speech(log: Log) -> None:
    await Device(scripted(log, Line("")), log).say(voice(1), silence(1)).end().listen()
    assert log[0].final.no_speech


async def test_what_is_too_short_for_a_word_is_not_recognised(log: Log) -> None:
    await Device(scripted(log, Line("ghost")), log).say(voice(0.09), silence(1)).end().listen()
    assert log[0].final.no_speech


async def test_more_than_a_minute_is_cut_and_what_was_heard_is_answered(log: Log) -> None:
    listener = Listener()
    device = Device(serving(log, listener, LoudnessVoice), log, UNTIL_END)
    await device.say(voice(90), silence(30), voice(30)).end().listen()
    assert device.kinds() == ONE
    assert log[0].final.cut and log[0].final.text == "60.00"


async def test_live_speech_is_cut_while_there_is_time_left_to_recognise_it(log: Log) -> None:
    def soon(n: int) -> Header:
        device.say(voice(5))
        return turn(n, deadline_us=clock.now_us() + 3_000_000)

    device = Device(scripted(log), log, AUTOMATIC, soon).say(voice(1))
    await device.listen(until="final")
    assert log[0].final.cut and log[0].final.text == "hello"


async def test_a_turn_that_goes_on_holds_both_transcripts(log: Log) -> None:
    def going_on(n: int) -> Header:
        return turn(n, continues="turn-1") if n == 2 else turn(n)

    device = Device(scripted(log, Line("put milk"), Line("on my list")), log, AUTOMATIC, going_on)
    await device.say(*[voice(0.5), silence(1)] * 2).end().listen(facts=2)
    assert [e.final.text for e in log] == ["put milk", "put milk on my list"]


async def test_a_noise_after_a_sentence_does_not_lose_the_sentence(log: Log) -> None:
    def going_on(n: int) -> Header:
        return turn(n, continues=f"turn-{n - 1}")

    device = Device(scripted(log, Line("put milk on"), Line("")), log, AUTOMATIC, going_on)
    await device.say(*[voice(0.5), silence(1)] * 2).end().listen(facts=2)
    assert log[1].final.text == "put milk on" and not log[1].final.no_speech


async def test_words_of_a_turn_that_this_stream_did_not_hear_are_not_made_up(log: Log) -> None:
    device = Device(scripted(log, Line("one"), Line("two")), log, AUTOMATIC, lambda n: turn(n, continues="another"))
    await device.say(*[voice(0.5), silence(1)] * 2).end().listen(facts=2)
    assert [e.final.text for e in log] == ["one", "two"]


async def test_interim_words_are_passed_on(log: Log) -> None:
    device = Device(scripted(log, Line("what time is it", interims=("what", "what time"))), log)
    await device.say(voice(0.5), silence(1)).end().listen()
    assert [r.interim.text for r in device.responses if r.HasField("interim")] == ["what", "what time"]


async def test_asked_at_is_when_speech_ended_and_never_before_the_turn_began(log: Log) -> None:
    await Device(scripted(log), log).say(voice(1), silence(1)).end().listen()
    header = log[0].header
    assert header.accepted_at_us <= header.asked_at_us <= clock.now_us()


async def test_a_higher_label_stays(log: Log) -> None:
    device = Device(scripted(log), log, AUTOMATIC, lambda n: turn(n, label=Label.LABEL_DEVICE_ONLY))
    await device.say(voice(1), silence(1)).end().listen()
    assert log[0].header.label == Label.LABEL_DEVICE_ONLY


async def test_audio_before_the_start_is_refused(log: Log) -> None:
    async def requests():  # type: ignore[no-untyped-def]
        yield HearRequest(pcm=b"\0\0")

    with pytest.raises(InvalidRequest, match="first message"):
        async for _ in scripted(log).hear(requests(), Call("", Header())):
            pass


async def test_the_same_over_the_direct_carrier(log: Log) -> None:
    carrier = DirectCarrier({"Speech": scripted(log)})
    sent: asyncio.Queue[HearRequest] = asyncio.Queue()

    async def requests():  # type: ignore[no-untyped-def]
        yield HearRequest(start=HearStart(listening=UNTIL_END))
        yield HearRequest(pcm=voice(1).tobytes())
        yield HearRequest(end=AudioEnd())
        yield await sent.get()

    async with aclosing(carrier.ask("Speech.Hear", requests(), Call("", Header()))) as responses:
        async for response in responses:
            if response.HasField("started"):
                sent.put_nowait(HearRequest(turn=turn(1)))
    assert log[0].final.text == "hello"
