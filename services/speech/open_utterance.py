"""An utterance from its beginning until its fact is published."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parlance.v1.speech_pb2 import FinalTranscript
from parlance.v1.turn_pb2 import Header


@dataclass(slots=True)
class Open:
    """An utterance that has begun. `pcm` is None until it has ended, and where nobody is to recognise it."""

    header: "asyncio.Future[Header | None]"
    fact: FinalTranscript = field(default_factory=FinalTranscript)
    pcm: NDArray[np.int16] | None = None
    asked_at_us: int = 0
    # The loop's time when it was decided that it had ended.
    decided_at: float = 0.0

    def known(self) -> Header | None:
        return self.header.result() if self.header.done() and not self.header.cancelled() else None
