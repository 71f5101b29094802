"""The default: patterns first, and for what they do not know the embedding of the text and our classifier."""

import asyncio
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parlance import models
from services.intent import head, patterns
from services.intent.provider import Understanding
from services.intent.providers.encoder import Encoder

_ENCODER = "minilm-l6-v2"
_WARM = "what time is it"


class Embeds(Protocol):
    def embed(self, text: str) -> NDArray[np.float32]: ...


class PatternsAndHead:
    """`model`: the declared sentence encoder, a MiniLM-L6 (the head was trained on the default's embeddings)."""

    def __init__(self, model: str, client: Embeds | None = None, *, home: str) -> None:
        self._encoder: Embeds = client or Encoder(models.locate(model or _ENCODER, Path(home)))
        self._head = head.load()
        # The first time costs more: it is paid here.
        patterns.match(_WARM)
        self._classify(_WARM)

    async def understand(self, text: str) -> Understanding:
        sure = patterns.match(text)
        return sure if sure is not None else await asyncio.to_thread(self._classify, text)

    def _classify(self, text: str) -> Understanding:
        return self._head.understand(text, self._encoder.embed(text))
