"""The service `Tts` over voices that the test makes: what it gives, tells, and does when a voice fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from parlance.errors import InvalidRequest, Unavailable
from parlance.rpc import Call, implemented, one
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.tts_service_pb2 import CheckTtsRouteRequest, SpeakRequest, SpeakResponse
from parlance.v1.turn_pb2 import End, Header
from parlance.v1.voice_pb2 import ClauseSpoken, VoiceEvent
from services.tts.providers import PROVIDERS
from services.tts.service import TtsService


class Voice:
    """`model` says what it does; pieces of 100 ms at 8 kHz. Counts in `made` and `closed`."""

    sample_rate_hz = 8000
    made: list[str] = []  # noqa: RUF012
    texts: list[str] = []  # noqa: RUF012
    closed = 0
    asked = asyncio.Event()

    def __init__(self, model: str = "", **settings: str) -> None:
        if model == "absent":
            raise InvalidRequest("this voice is not here")
        self._model = model
        Voice.made.append(model)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        Voice.texts.append(text)
        Voice.asked.set()
        try:
            if self._model == "hangs":
                await asyncio.Event().wait()
            if self._model == "fails":
                raise Unavailable("no breath")
            if self._model == "mute":
                return
            for n in range(3):
                if n == 2 and self._model == "breaks":
                    raise Unavailable("no breath left")
                yield bytes(1600)
        finally:
            Voice.closed += 1


@pytest.fixture(autouse=True)
def voices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROVIDERS, "voice", f"{__name__}:Voice")
    Voice.made, Voice.texts, Voice.closed, Voice.asked = [], [], 0, asyncio.Event()


class Desk:
    def __init__(self, target: str, *fallbacks: str, **settings: str) -> None:
        self.route = RouteSet(stage="tts", target=target, version="v5", settings=settings)
        self.events: list[VoiceEvent] = []
        self.service = TtsService(self.events.append, lambda: self.route, fallbacks)

    async def speak(self, text: str = "Hello there.") -> list[SpeakResponse]:
        async with aclosing(self.service.speak(SpeakRequest(text=text), call())) as parts:
            return [part async for part in parts]

    @property
    def fact(self) -> ClauseSpoken:
        (event,) = self.events
        return event.spoken


def call(call_id: str = "c1") -> Call:
    return Call(call_id, Header(event_id="e1", turn_id="t1", session_id="s1"))


def test_every_method_of_the_contract_is_there() -> None:
    assert set(implemented("Tts", TtsService)) == {"Speak", "CheckTtsRoute"}


async def test_a_clause_begins_with_its_voice_and_goes_on_with_sound() -> None:
    desk = Desk("voice:good")
    began, *sound = await desk.speak()
    assert (began.began.provider, began.began.route_version, began.began.sample_rate_hz) == ("voice:good", "v5", 8000)
    assert [len(part.pcm) for part in sound] == [1600] * 3


async def test_what_was_spoken_is_told_once_without_the_words() -> None:
    desk = Desk("voice:good")
    await desk.speak("Hello there.")
    fact = desk.fact
    assert (fact.call_id, fact.characters, fact.audio_ms, fact.end) == ("c1", 12, 300, End.END_COMPLETE)
    assert fact.provider == "voice:good" and fact.first_audio_us >= 0 and fact.began_at_us > 0
    header = desk.events[0].header
    assert (header.causation_id, header.turn_id) == ("e1", "t1") and header.event_id not in ("", "e1")
    assert b"Hello" not in desk.events[0].SerializeToString()


async def test_the_same_call_tells_the_same_event() -> None:
    desk = Desk("voice:good")
    await desk.speak()
    await desk.speak()
    assert desk.events[0].header.event_id == desk.events[1].header.event_id


async def test_a_listener_who_leaves_stops_the_voice_and_the_fact_says_so() -> None:
    desk = Desk("voice:good")
    async with aclosing(desk.service.speak(SpeakRequest(text="Hello"), call())) as parts:
        await anext(parts)
        await anext(parts)
    assert Voice.closed == 1
    assert desk.fact.end == End.END_CANCELLED and desk.fact.audio_ms == 100


async def test_a_listener_cancelled_before_the_first_sound_stops_the_voice_too() -> None:
    desk = Desk("voice:hangs")
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(desk.speak())
        await asyncio.wait_for(Voice.asked.wait(), 5)
        listening.cancel()
    assert Voice.closed == 1 and desk.fact.end == End.END_CANCELLED and desk.fact.audio_ms == 0


@pytest.mark.parametrize("bad", ["voice:absent", "voice:fails", "voice:mute", "nobody:x"])
async def test_where_a_voice_fails_before_its_first_sound_the_next_one_speaks(bad: str) -> None:
    desk = Desk(bad, "voice:absent", "voice:good")
    began, *sound = await desk.speak()
    assert began.began.provider == desk.fact.provider == "voice:good" and len(sound) == 3
    assert desk.fact.end == End.END_COMPLETE


async def test_a_voice_that_hangs_is_given_up_for_the_next() -> None:
    desk = Desk("voice:hangs", "voice:good")
    desk.service.patience_s = 0.05
    began, *_ = await desk.speak()
    assert began.began.provider == "voice:good" and Voice.closed == 2


async def test_a_voice_that_breaks_off_is_not_followed_by_another() -> None:
    desk = Desk("voice:breaks", "voice:good")
    with pytest.raises(Unavailable, match="no breath left"):
        await desk.speak()
    assert desk.fact.end == End.END_FAILED and desk.fact.audio_ms == 200 and desk.fact.provider == "voice:breaks"
    assert Voice.made == ["breaks"]


async def test_without_any_voice_the_clause_fails_and_the_fact_says_why() -> None:
    desk = Desk("voice:fails", "voice:absent")
    with pytest.raises(Unavailable, match="no voice can speak here") as told:
        await desk.speak()
    assert "voice:fails no breath; voice:absent this voice is not here" in told.value.message
    assert desk.fact.end == End.END_FAILED and desk.fact.error.message == told.value.message


async def test_a_voice_is_loaded_once_even_for_clauses_at_the_same_time() -> None:
    desk = Desk("voice:good")
    await desk.service.warm()
    await asyncio.gather(desk.speak(), desk.speak())
    other = Desk("voice:good")
    await asyncio.gather(other.speak(), other.speak())
    assert Voice.made == ["good", "good"]


async def test_a_new_route_holds_from_the_next_clause_on() -> None:
    desk = Desk("voice:good")
    await desk.speak()
    desk.route = RouteSet(stage="tts", target="tone:", version="v6")
    began, *_ = await desk.speak()
    assert (began.began.provider, began.began.route_version) == ("tone:", "v6")


async def test_what_holds_no_word_is_silence_and_no_failure() -> None:
    desk = Desk("voice:good")
    assert await desk.speak("…") == []
    assert desk.fact.end == End.END_COMPLETE and desk.fact.audio_ms == 0 and Voice.texts == []


async def test_the_voice_gets_the_text_as_it_is_said() -> None:
    desk = Desk("voice:good")
    await desk.speak("It is 21 °C.")
    assert Voice.texts == ["It is 21 degrees Celsius."]


async def test_a_text_that_is_no_clause_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="clause by clause"):
        await Desk("voice:good").speak("a" * 30_000)


@pytest.mark.parametrize(
    ("target", "said"), [("nobody:x", "known: flite, hibari, tone, voice"), ("voice:absent", "not here")]
)
async def test_a_route_that_cannot_speak_is_refused_before_it_is_set(target: str, said: str) -> None:
    desk = Desk("voice:good")
    with pytest.raises(InvalidRequest, match=said):
        await check(desk, target)


async def check(desk: Desk, target: str, **settings: str) -> Any:
    asked = CheckTtsRouteRequest(route=RouteSet(stage="tts", target=target, settings=settings))
    return await one(desk.service.check_tts_route(asked, call()))


async def test_a_checked_route_is_loaded_already_when_it_takes_effect() -> None:
    desk = Desk("voice:good")
    await check(desk, "voice:other")
    desk.route = RouteSet(stage="tts", target="voice:other", version="v9")
    await desk.speak()
    assert Voice.made == ["other"]


@pytest.mark.parametrize("target", ["tone:", "hibari:", "flite:rms"])
async def test_a_setting_that_a_voice_does_not_know_is_refused(target: str) -> None:
    with pytest.raises(InvalidRequest, match="does not know: nonsense"):
        await check(Desk("voice:good"), target, nonsense="1")


async def test_a_tone_is_as_long_as_the_text_takes_to_say() -> None:
    desk = Desk("tone:", ms_per_char="50")
    await desk.speak("x" * 20)
    assert desk.fact.audio_ms == 1000
