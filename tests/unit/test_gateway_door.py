"""What cannot be taken is refused at the door: told at once, spoken, counted in the log, and nothing is left open."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from parlance import metrics
from parlance.bus_journal import JournalBus
from parlance.events import EVENT_CLASSES, TOPICS, kind, parse, topic_of
from parlance.history import History
from parlance.privacy import Keys, Sealing
from parlance.routes import Routes
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.gateway_service_pb2 import ConverseRequest, Hello, Interrupt, Text
from parlance.v1.reply_pb2 import OUTCOME_REFUSED, REASON_OVERLOADED
from parlance.v1.tts_service_pb2 import SpeakBegan, SpeakRequest, SpeakResponse
from parlance.v1.turn_pb2 import Header
from services.gateway import door
from services.gateway.parts import Parts
from services.gateway.service import GatewayService

PCM = b"\1\0" * 22050  # a second


class Voice:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def speak(self, request: SpeakRequest, call: Call) -> AsyncGenerator[SpeakResponse, None]:
        self.asked.append(request.text)
        yield SpeakResponse(began=SpeakBegan(sample_rate_hz=22050))
        yield SpeakResponse(pcm=PCM)


class Full:
    """A gateway whose door is shut; nobody answers behind it."""

    def __init__(self, parts: Parts, voice: Voice) -> None:
        self.parts, self.voice, self.service = parts, voice, GatewayService(parts)

    async def hears(
        self,
        *requests: ConverseRequest,
        until: str = "spoken",
        seen: Mapping[str, asyncio.Event] | None = None,
        **hello: Any,
    ) -> list[Any]:
        """What comes until a message of the kind `until`; an event of `seen` is set when one of its kind has come."""

        async def sent() -> AsyncIterator[ConverseRequest]:
            yield ConverseRequest(hello=Hello(**hello))
            for request in requests:
                yield request
                await asyncio.sleep(0.05)
            await asyncio.Event().wait()

        found = []
        async with asyncio.timeout(5), aclosing(self.service.converse(sent(), Call("", Header()))) as messages:
            async for message in messages:
                found.append(message)
                kind = message.WhichOneof("message") or ""
                if seen is not None and kind in seen:
                    seen[kind].set()
                if kind == until:
                    break
        return found

    async def session_events(self) -> list[Any]:
        await self.parts.bus.flush()
        partitions = range(TOPICS["session.v1"].partitions)
        records = [r for p in partitions for r in await self.parts.bus.read("session.v1", p, 0)]
        return [parse(r.topic, r.value) for r in records]


@pytest.fixture
async def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Full]:
    monkeypatch.setattr(door, "_TELL_S", 0.05)
    bus, sealing, voice = JournalBus(tmp_path / "journal.db"), Sealing(Keys(tmp_path / "keys.json")), Voice()
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    made = Full(Parts(bus, sealing, DirectCarrier({"Tts": voice}), Routes(bus), History(bus, sealing)), voice)
    ready = asyncio.Event()
    running = asyncio.ensure_future(made.service.run(ready))
    await ready.wait()
    await asyncio.sleep(0.05)
    assert made.service._sessions is not None
    made.service._sessions.door.admission.takes = lambda *, new: False  # type: ignore[method-assign]
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bus.stop()


def _text(words: str) -> ConverseRequest:
    return ConverseRequest(text=Text(text=words))


async def test_it_is_told_at_once_in_words_and_sound_that_were_ready(full: Full) -> None:
    _, ended, audio, spoken = await full.hears(_text("what time is it"), session_id="s")
    assert (ended.ended.outcome, ended.ended.reason) == (OUTCOME_REFUSED, REASON_OVERLOADED)
    assert ended.ended.say == door.SAY and full.voice.asked == [door.SAY, door.SAY_UNWRITTEN]
    assert audio.audio.pcm == PCM and audio.audio.sample_rate_hz == 22050
    assert (spoken.spoken.turn_id, spoken.spoken.audio_ms) == (ended.ended.turn_id, 1000)
    for _ in range(3):
        await full.hears(_text("and now"))
    assert full.voice.asked == [door.SAY, door.SAY_UNWRITTEN], "the voice is asked once, not for each"


async def test_who_takes_no_sound_gets_the_words(full: Full) -> None:
    messages = await full.hears(_text("what time is it"), mute=True)
    assert [m.WhichOneof("message") for m in messages] == ["ready", "ended", "spoken"]


async def test_nothing_was_accepted_and_the_log_says_how_many(full: Full) -> None:
    for _ in range(3):
        await full.hears(_text("what time is it"), run="run-1", session_id="s", mute=True)
    await full.hears(_text("what time is it"), mute=True)
    await asyncio.sleep(0.2)
    events = await full.session_events()
    assert not any(kind(e) == "accepted" for e in events)
    counts: dict[str, int] = {}
    for event in events:
        if kind(event) == "refused":
            counts[event.header.run] = counts.get(event.header.run, 0) + event.refused.turns
    assert counts == {"run-1": 3, "": 1}


async def test_prometheus_is_told_of_it_too(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, str]] = []
    monkeypatch.setattr(metrics, "ended", lambda *end: counted.append(end))
    await full.hears(_text("what time is it"), mute=True)
    assert counted == [("refused", "overloaded")]


async def test_the_sentence_can_be_interrupted_as_any_other(full: Full) -> None:
    messages = await full.hears(
        _text("what time is it"), ConverseRequest(interrupt=Interrupt()), until="silence", session_id="s"
    )
    assert messages[-1].silence.turn_id == messages[1].ended.turn_id


async def test_a_platform_without_a_voice_says_it_in_words(full: Full) -> None:
    assert full.service._sessions is not None
    full.service._sessions.door._sounds.clear()
    messages = await full.hears(_text("what time is it"))
    assert [m.WhichOneof("message") for m in messages] == ["ready", "ended", "spoken"]


async def test_a_text_that_may_stand_in_the_log_already_is_not_refused(full: Full) -> None:
    """Another gateway may have accepted it: its device would be told refused, and it would be answered."""
    turn_id = "5f0c2b52-6a0b-4f8e-9a39-0c5f4e6d8a11"
    again = ConverseRequest(text=Text(text="put milk on my list", name=turn_id, again=True))
    responses = await full.hears(again, until="accepted")
    assert responses[-1].accepted.turn_id == turn_id
    assert not [r for r in responses if r.HasField("ended")]
