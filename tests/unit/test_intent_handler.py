"""One event in, what was meant out."""

import json
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from parlance.errors import InvalidRequest, Unavailable
from parlance.events import to_bytes
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted, TurnInterrupted
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.turn_pb2 import Capability, StageFailed
from services.intent.handler import understand
from services.intent.provider import Routed, Understanding, open_route
from services.intent.providers.patterns_alone import PatternsAlone
from services.intent.providers.scripted import Scripted

SCRIPT: Mapping[str, tuple[str, Mapping[str, str]]] = {"set it": ("timer.set", {"duration": "10", "about": "tea"})}


async def play(event: SpeechEvent | SessionEvent, routed: Routed | None = None) -> list[IntentRecognized | StageFailed]:
    async with aclosing(understand(event, routed or Routed(Scripted("", SCRIPT), "v7"))) as bodies:
        return [body async for body in bodies]


async def test_a_transcript_gives_intent_slots_in_order_and_the_route() -> None:
    (body,) = await play(SpeechEvent(final=FinalTranscript(text="Set it")))
    assert isinstance(body, IntentRecognized)
    assert (body.intent, body.text, body.provider, body.route_version) == ("timer.set", "Set it", "scripted", "v7")
    assert [(slot.name, slot.value) for slot in body.slots] == [("about", "tea"), ("duration", "10")]


async def test_a_typed_turn_is_understood_too() -> None:
    (body,) = await play(SessionEvent(accepted=TurnAccepted(text="set it")))
    assert isinstance(body, IntentRecognized)
    assert body.intent == "timer.set"


async def test_a_spoken_turn_that_is_only_accepted_gives_nothing() -> None:
    assert await play(SessionEvent(accepted=TurnAccepted())) == []


async def test_other_session_events_give_nothing() -> None:
    assert await play(SessionEvent(interrupted=TurnInterrupted())) == []


@pytest.mark.parametrize("final", [FinalTranscript(no_speech=True), FinalTranscript(text="  ")])
async def test_silence_is_passed_on(final: FinalTranscript) -> None:
    assert await play(SpeechEvent(final=final)) == [IntentRecognized(no_speech=True, route_version="v7")]


async def test_a_failure_of_speech_is_passed_on() -> None:
    failed = StageFailed(stage="speech", error=Unavailable("no recogniser").to_proto())
    assert await play(SpeechEvent(failed=failed)) == [failed]


async def test_confidence_is_rounded_so_that_bytes_repeat() -> None:
    class Unsure:
        async def understand(self, text: str) -> Understanding:
            return Understanding("chat", 0.123456789, {}, "classifier")

    (body,) = await play(SpeechEvent(final=FinalTranscript(text="hm")), Routed(Unsure()))
    assert to_bytes(body) == to_bytes(
        IntentRecognized(intent="chat", text="hm", confidence=0.1235, provider="classifier")
    )


async def test_patterns_alone_send_the_rest_to_the_language_model() -> None:
    assert await PatternsAlone("").understand("why is the sky blue") == Understanding("chat", 0.0, {}, "patterns")


async def test_a_route_loads_its_provider_with_its_settings(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"ping": ["note.add", {"text": "pong"}]}), "utf-8")
    route = RouteSet(stage="intent", target="scripted", version="v2", settings={"script": str(script)})
    routed = open_route(route, tmp_path)
    assert routed.route_version == "v2"
    assert await routed.provider.understand("Ping") == Understanding("note.add", 1.0, {"text": "pong"}, "scripted")


def test_a_script_that_is_no_script_is_refused_with_what_to_write(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text("[1]", "utf-8")
    with pytest.raises(InvalidRequest, match="must be JSON of the form"):
        Scripted("", script=str(script))


def test_a_setting_that_a_provider_does_not_take_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="does not take these settings: colour"):
        open_route(RouteSet(stage="intent", target="scripted", settings={"colour": "red"}), tmp_path)


@pytest.mark.parametrize(
    ("intent", "text", "capability"),
    [
        ("chat", "what's the news", Capability.CAPABILITY_WEB),
        ("chat", "why is the sky blue", Capability.CAPABILITY_UNSPECIFIED),
        ("time.now", "what's the latest time", Capability.CAPABILITY_UNSPECIFIED),
    ],
)
async def test_what_the_language_model_is_to_answer_says_what_for(
    intent: str, text: str, capability: Capability.ValueType
) -> None:
    (body,) = await play(SpeechEvent(final=FinalTranscript(text=text)), Routed(Scripted("", {text: (intent, {})})))
    assert isinstance(body, IntentRecognized) and body.capability == capability
