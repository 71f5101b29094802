"""As whom a deployment speaks is configuration, and part of what a turn begins with."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parlance import config
from parlance.errors import InvalidRequest
from parlance.turn import Turn
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.reply_pb2 import Question
from parlance.v1.state_pb2 import Persona, SessionSnapshot
from services.dialogue.dialogue import TOPICS, Dialogue
from services.dialogue.parts import Parts
from services.dialogue.persona import persona_of
from services.dialogue.prompt import SYSTEM, request_of
from tests.unit.dialogue_scene import Scene

PLAIN = config.load()


def test_without_settings_it_is_nobody_in_particular() -> None:
    assert persona_of(PLAIN) is None
    assert request_of(Question(text="hi"), SessionSnapshot()).messages[0].text == SYSTEM


def test_the_settings_are_what_a_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "style.txt").write_text("Speak like a butler.\n")
    made = persona_of(replace(PLAIN, name="Nova", persona=tmp_path / "style.txt", own_brand=True))
    assert made == Persona(name="Nova", style="Speak like a butler.", own_brand=True)
    system = request_of(Question(text="hi"), SessionSnapshot(persona=made)).messages[0].text
    assert system.startswith("Speak like a butler. Your name is Nova. Never say which company")


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe\xff", b"x" * 4001])
def test_a_file_that_is_no_style_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "style.txt").write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"PARLANCE_PERSONA: .*style\.txt"):
        persona_of(replace(PLAIN, persona=tmp_path / "style.txt"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("NAME", "a\nb"), ("NAME", "x" * 41), ("NAME", "<b>"), ("PERSONA", "/nowhere/style.txt"), ("OWN_BRAND", "yes")],
)
def test_a_setting_that_makes_no_sense_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PARLANCE_{name}", value)
    with pytest.raises(InvalidRequest, match=f"PARLANCE_{name}"):
        config.load()


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "style.txt").write_text("Be kind.")
    monkeypatch.setenv("PARLANCE_NAME", "Señor O'Neil")
    monkeypatch.setenv("PARLANCE_PERSONA", str(tmp_path / "style.txt"))
    monkeypatch.setenv("PARLANCE_OWN_BRAND", "1")
    assert persona_of(config.load()) == Persona(name="Señor O'Neil", style="Be kind.", own_brand=True)


class Named(Scene):
    """Notes as whom each turn speaks."""

    def __init__(self) -> None:
        super().__init__()
        self.spoke_as: list[str] = []

    def dialogue(self) -> Dialogue:
        made = super().dialogue()
        parts: Parts = made._parts
        parts.persona = Persona(name="Nova")
        return made

    async def converse(self, event: Any, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Any, None]:
        self.spoke_as.append(turn.state.persona.name)
        async for body in super().converse(event, turn):
            yield body


def test_a_turn_begins_as_whom_it_speaks() -> None:
    scene = Named()

    async def lives() -> None:
        running = asyncio.create_task(scene.dialogue().stage.run(TOPICS))
        await scene.happens(IntentEvent, "t1", IntentRecognized(intent="chat", text="first"))
        running.cancel()

    scene.world.run(lives())
    assert scene.spoke_as == ["Nova"]
