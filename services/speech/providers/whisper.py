"""Whisper on CTranslate2, on this machine: weights that `parlance.models` declares, or the user's own.

Whisper was trained on 30 s windows, and its encoder costs the same for a word as for half a minute. So the utterance
is first decoded with 12 s of near-silence behind it instead, at 40 % of the cost; where that repeats itself or is
unsure, the decision is made on the full window. (With 4 s it costs 30 %, but repeats itself in every other request.)

Of the readings that the beam ends with, which cost nothing more, the one is taken that is likeliest as a request, too.
(At 12 dB, of seven requests in 36 noises 6.4 are understood instead of 5.6.)
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parlance import models
from parlance.audio import SAMPLE_RATE_HZ, to_samples
from parlance.errors import InvalidRequest
from services.speech import requests
from services.speech.log_mel import log_mel
from services.speech.provider import Final, Interim
from services.speech.repetition import repeats, runs_away

_WINDOW_S = 30
_PADDING_S = 12
# Pure digital silence is what it has never heard: it then says things twice.
_PADDING_LEVEL = 1e-3
_BEAMS = 5
# Mean log-probability per token below which the short window is not believed.
_SURE = -0.6
# Below which nothing is believed, and where no-speech is likely already sooner.
_WORTHLESS, _DOUBTFUL, _NO_SPEECH = -1.4, -1.0, 0.6
# Pieces of longer audio end at the quietest place of their last seconds.
_PIECE_S, _SEARCH_S = 28, 8
_TOKENS_PER_S, _MOST_TOKENS = 8, 224
_NOT_SPOKEN = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪♫]")


@dataclass(frozen=True, slots=True)
class _Decoded:
    """`score`: mean log-probability per token of the best reading, which need not be the one that was chosen."""

    text: str
    score: float
    no_speech: float


class Whisper:
    """`model`: "tiny.en" is declared as "whisper-tiny-en"; settings: `threads`. Loads 0.4 s, takes 250 MB."""

    def __init__(self, model: str, client: object = None, *, home: str, threads: str = "2") -> None:
        import ctranslate2
        import tokenizers

        folder = models.locate(f"whisper-{model.replace('.', '-')}", Path(home))
        if not threads.isdigit() or not int(threads):
            raise InvalidRequest(f"threads must be a number above 0, not '{threads}'")
        self._view = ctranslate2.StorageView
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=int(threads)
        )
        if self._model.is_multilingual or self._model.n_mels != 80:
            raise InvalidRequest(f"whisper:{model} is not an English model of 80 bands: use one whose name ends in .en")
        self._tokens = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._start, self._untimed, self._text_end = map(
            self._special, ("startoftranscript", "notimestamps", "endoftext")
        )
        self._requests = requests.load()
        # One at a time: two would share the same threads and both be late.
        self._thread = ThreadPoolExecutor(1, "whisper")
        self._short(np.zeros(SAMPLE_RATE_HZ, np.float32))

    async def transcribe(self, pcm: NDArray[np.int16]) -> AsyncGenerator[Interim | Final, None]:
        loop = asyncio.get_running_loop()
        text, confidence = await loop.run_in_executor(self._thread, self._transcribe, to_samples(pcm))
        yield Final(text, confidence)

    def _special(self, name: str) -> int:
        found = self._tokens.token_to_id(f"<|{name}|>")
        if found is None:
            raise InvalidRequest(f"the model's tokenizer.json does not know <|{name}|>: it is not Whisper's")
        return int(found)

    def _transcribe(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        decoded = [self._piece(piece) for piece in pieces(samples)]
        heard = [d for d in decoded if d.text]
        if not heard:
            return "", 0.0
        return " ".join(d.text for d in heard), math.exp(sum(d.score for d in heard) / len(heard))

    def _piece(self, samples: NDArray[np.float32]) -> _Decoded:
        seconds = len(samples) / SAMPLE_RATE_HZ
        found = self._short(samples)
        if found.score < _SURE or not found.text or repeats(found.text, seconds):
            found = self._full(samples)
        return found if _believable(found, seconds) else _Decoded("", found.score, found.no_speech)

    def _short(self, samples: NDArray[np.float32]) -> _Decoded:
        length = min(_WINDOW_S * SAMPLE_RATE_HZ, len(samples) + _PADDING_S * SAMPLE_RATE_HZ)
        noise = np.random.default_rng(0).standard_normal(length - len(samples), np.float32) * _PADDING_LEVEL
        tokens = int(16 + _TOKENS_PER_S * len(samples) / SAMPLE_RATE_HZ)
        return self._decode(np.concatenate([samples, noise]), min(tokens, _MOST_TOKENS))

    def _full(self, samples: NDArray[np.float32]) -> _Decoded:
        silence = np.zeros(_WINDOW_S * SAMPLE_RATE_HZ - len(samples), np.float32)
        return self._decode(np.concatenate([samples, silence]), _MOST_TOKENS)

    def _decode(self, samples: NDArray[np.float32], most_tokens: int) -> _Decoded:
        features = self._view.from_array(log_mel(samples)[None])
        found = self._model.generate(
            features,
            [[self._start, self._untimed]],
            beam_size=_BEAMS,
            num_hypotheses=_BEAMS,
            max_length=most_tokens,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        heard = zip(found.sequences_ids, found.scores, strict=True)
        readings = [requests.Reading(self._text(ids), score, len(ids)) for ids, score in heard]
        # Where the best reading has no words, the others' are no speech either.
        text = self._requests.choose(readings).text if readings[0].text else ""
        return _Decoded(text, found.scores[0], found.no_speech_prob)

    def _text(self, ids: list[int]) -> str:
        """The words alone; "" where there are only marks and sounds."""
        words = [token for token in ids if token < self._text_end]
        text = " ".join(_NOT_SPOKEN.sub(" ", self._tokens.decode(words)).split())
        return text if any(c.isalnum() for c in text) else ""


def pieces(samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Of at most 28 s, ended where it is quietest."""
    found = []
    while len(samples) > _PIECE_S * SAMPLE_RATE_HZ:
        from_, to = (_PIECE_S - _SEARCH_S) * SAMPLE_RATE_HZ, _PIECE_S * SAMPLE_RATE_HZ
        step = SAMPLE_RATE_HZ // 10
        loudness = (samples[from_:to].reshape(-1, step) ** 2).mean(axis=1)
        # Of 300 ms, so that it is a pause and not the closure of a consonant.
        quietest = int(np.convolve(loudness, np.ones(3), "valid").argmin()) + 1
        end = from_ + quietest * step + step // 2
        found.append(samples[:end])
        samples = samples[end:]
    return [*found, samples]


def _believable(found: _Decoded, seconds: float) -> bool:
    if runs_away(found.text, seconds) or found.score < _WORTHLESS:
        return False
    return not (found.no_speech > _NO_SPEECH and found.score < _DOUBTFUL)
