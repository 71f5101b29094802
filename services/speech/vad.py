"""Voice activity: Silero, frame by frame. 0.1 ms per frame of 32 ms on one thread."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from parlance.audio import to_samples
from services.speech.utterance import FRAME_SAMPLES

# The model also sees the end of the frame before.
_CONTEXT = 64
_STATE = (1, 1, 128)
# Frames given to the model at once: bounds memory where a whole file comes as one message.
_BATCH = 1024


class VoiceStream(Protocol):
    def push(self, pcm: NDArray[np.int16]) -> list[float]:
        """The probability of speech (0 to 1) of each frame that is complete now; the rest waits."""


class VoiceActivity:
    """Loads the model once. Give it the file that `models.locate("silero-vad", home)` names."""

    def __init__(self, model: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def stream(self) -> "SileroStream":
        """A stream of audio of its own; several run side by side."""
        return SileroStream(self._session)


class SileroStream:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._h = np.zeros(_STATE, np.float32)
        self._c = np.zeros(_STATE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.int16)

    def push(self, pcm: NDArray[np.int16]) -> list[float]:
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) - len(pcm) % FRAME_SAMPLES
        self._rest = pcm[whole:]
        found: list[float] = []
        for start in range(0, whole, _BATCH * FRAME_SAMPLES):
            found += self._run(to_samples(pcm[start : min(whole, start + _BATCH * FRAME_SAMPLES)]))
        return found

    def _run(self, samples: NDArray[np.float32]) -> list[float]:
        seen = np.concatenate([self._context, samples])
        self._context = seen[-_CONTEXT:]
        frames = np.lib.stride_tricks.sliding_window_view(seen, _CONTEXT + FRAME_SAMPLES)[::FRAME_SAMPLES]
        inputs = {"input": np.ascontiguousarray(frames), "h": self._h, "c": self._c}
        probabilities, self._h, self._c = self._session.run(None, inputs)
        return [float(p) for p in probabilities.ravel()]
