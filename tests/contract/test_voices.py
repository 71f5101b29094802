"""What every voice must do, run over all that can run here."""

import shutil
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from parlance import providers
from services.tts.providers import PROVIDERS

VOICES = ["tone:", "hibari:", "flite:rms"]


@pytest.fixture(scope="module", params=VOICES)
def voice(request: pytest.FixtureRequest) -> Any:
    if request.param.startswith("flite") and shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    return providers.load("tts", PROVIDERS, request.param)


async def _sound(voice: Any, text: str) -> "np.ndarray[Any, np.dtype[np.int16]]":
    async with aclosing(voice.speak(text)) as pieces:
        return np.frombuffer(b"".join([p async for p in pieces]), "<i2")


async def test_a_sentence_becomes_sound_of_a_fitting_length(voice: Any) -> None:
    sound = await _sound(voice, "It is seven in the evening in Tokyo.")
    assert 0.8 < len(sound) / voice.sample_rate_hz < 6
    assert np.abs(sound.astype(np.int32)).max() > 1000


async def test_pieces_are_whole_samples_and_short(voice: Any) -> None:
    async with aclosing(voice.speak("One. Two. Three.")) as pieces:
        async for piece in pieces:
            assert piece and len(piece) % 2 == 0
            assert len(piece) / 2 / voice.sample_rate_hz <= 0.25


async def test_speaking_can_be_stopped_in_the_middle(voice: Any) -> None:
    speaking = voice.speak("This is a sentence. This is another one. And this is the last.")
    await anext(speaking)
    await speaking.aclose()
    assert len(await _sound(voice, "Again."))
