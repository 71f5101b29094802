"""The voices themselves: what they refuse, and that sound comes in pieces."""

import asyncio
import shutil
import subprocess
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from parlance import providers
from parlance.errors import InvalidRequest
from services.tts.provider import Provider
from services.tts.providers import PROVIDERS
from services.tts.providers.flite import Flite
from services.tts.providers.tone import Tone

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (apt install flite)")
needs_hibari = pytest.mark.skipif(find_spec("hibari") is None, reason="the extra `models` is not installed")


async def pieces(voice: Provider, text: str) -> list[bytes]:
    async with aclosing(voice.speak(text)) as sound:
        return [piece async for piece in sound]


async def test_a_tone_sounds_without_a_click_from_piece_to_piece() -> None:
    sound = np.frombuffer(b"".join(await pieces(Tone(ms_per_char="50"), "x" * 10)), "<i2").astype(int)
    assert len(sound) == 8000
    steepest = 8000 * 2 * np.pi * 440 / 16000
    assert np.abs(np.diff(sound)).max() <= steepest + 1 and sound.max() > 7900


def test_a_tone_of_no_length_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="ms_per_char"):
        Tone(ms_per_char="long")


def test_without_flite_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InvalidRequest, match="install flite"):
        Flite("rms")


@needs_flite
def test_an_unknown_flite_voice_is_told_which_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'anna'.*rms.*slt"):
        Flite("anna")


@needs_flite
@pytest.mark.parametrize("model", ["rms", "kal"])
async def test_flite_speaks_in_pieces_of_100_ms_at_its_rate(model: str) -> None:
    sound = await pieces(Flite(model), "Hello there, how are you?")
    assert {len(piece) for piece in sound[:-1]} == {3200}
    assert 1.0 < sum(map(len, sound)) / 2 / Flite.sample_rate_hz < 3.0
    assert np.abs(np.frombuffer(b"".join(sound), "<i2").astype(int)).max() > 3000


@needs_flite
async def test_what_flite_is_to_say_is_no_argument_and_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    run = subprocess.run

    def spy(words: list[str], **more: object) -> object:
        commands.append(words)
        return run(words, **more)  # type: ignore[call-overload]

    voice = Flite()
    monkeypatch.setattr(subprocess, "run", spy)
    assert await pieces(voice, "-o /tmp/private is private")
    assert "private" not in " ".join(commands[0])


@needs_flite
async def test_flite_takes_any_characters() -> None:
    voice = Flite()
    assert await pieces(voice, "naïve “café” $(rm -rf) `x` <tag> 'quote' 你好 and so on")


@needs_hibari
def test_hibari_downloads_no_voice_and_says_which_are_here() -> None:
    with pytest.raises(InvalidRequest, match=r"'emma' on this machine; it has: heart"):
        providers.load("tts", PROVIDERS, "hibari:emma")


@needs_hibari
def test_hibari_refuses_a_setting_that_it_does_not_know() -> None:
    with pytest.raises(InvalidRequest, match="pitch"):
        providers.load("tts", PROVIDERS, "hibari:", pitch="high")


@needs_hibari
@pytest.mark.models
async def test_hibari_gives_the_first_sentence_before_the_second_is_made(tmp_path: Path) -> None:
    voice = await asyncio.to_thread(providers.load, "tts", PROVIDERS, "hibari:heart", home=str(tmp_path))
    assert (tmp_path / "models" / "verified.json").exists()
    alone = len(b"".join(await pieces(voice, "Hello there.")))
    async with aclosing(voice.speak("Hello there. " + "This is a much longer sentence. " * 10)) as sound:
        first = await anext(sound)
        assert len(first) == 4800
        rest = [piece async for piece in sound]
    ends = [n for n, piece in enumerate(rest) if len(piece) < 4800]
    assert len(ends) == 11 and ends[0] <= alone // 4800


@needs_hibari
@pytest.mark.models
async def test_hibari_says_the_same_text_in_the_same_way() -> None:
    voice = await asyncio.to_thread(providers.load, "tts", PROVIDERS, "hibari:")
    once, twice = await asyncio.gather(pieces(voice, "Just as before."), pieces(voice, "Just as before."))
    assert once == twice
