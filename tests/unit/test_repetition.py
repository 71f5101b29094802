"""Whisper's loops are seen, and what people really say twice is not one. Long audio is parted where it is quiet."""

import numpy as np
import pytest

from services.speech.providers.whisper import pieces
from services.speech.repetition import repeats, runs_away


@pytest.mark.parametrize(
    "text",
    [
        "What time is it in Tokyo? What time is it in Tokyo?",
        "what is an is number what is an is number",
        "He was not an old-s-s-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y-y",
        "go go go go",
        "next week next week next week next week",
    ],
)
def test_a_loop_is_seen(text: str) -> None:
    assert repeats(text, 3.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what is seven times twelve",
        "no, no, no",
        "Fail again. Fail better.",
        "ask not what your country can do for you ask what you can do for your country",
        "two two two five",
        "No. No.",
    ],
)
def test_what_people_say_is_no_loop(text: str) -> None:
    assert not repeats(text, 11.0)


def test_more_words_than_anybody_can_say_are_not_believed() -> None:
    assert runs_away("one " * 20, 1.0)
    assert not runs_away("what time is it in tokyo", 1.2)


def test_long_audio_is_parted_where_it_is_quiet_and_nothing_is_lost() -> None:
    audio = np.random.default_rng(1).standard_normal(60 * 16000).astype(np.float32)
    audio[24 * 16000 : 24 * 16000 + 8000] *= 0.01
    parts = pieces(audio)
    assert all(len(part) <= 28 * 16000 for part in parts)
    assert 24 * 16000 <= len(parts[0]) <= 24.5 * 16000
    assert (np.concatenate(parts) == audio).all()
