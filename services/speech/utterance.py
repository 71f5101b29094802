"""Endpointing: where an utterance begins and ends, from the voice activity of frames. Pure: audio time alone counts,
so audio that comes faster than it was spoken is treated no differently."""

from dataclasses import dataclass, field
from enum import Enum

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 512
FRAME_US = FRAME_SAMPLES * 1_000_000 // SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Endpointing:
    """Thresholds of the voice activity (0 to 1) and lengths in frames of 32 ms."""

    # Speech begins after so many voiced frames without an unvoiced one between: a click is shorter.
    start_at: float = 0.5
    start_frames: int = 3
    # Lower than where it begins, so that weak endings belong to it.
    stay_at: float = 0.35
    # 608 ms without voice end it: people pause for less within a sentence.
    hangover_frames: int = 19
    # 608 ms before and after what is voiced: no soft consonant is lost, and a recogniser hears the room's noise by
    # itself. (With 320 ms, 13 of 28 requests in noise were heard wholly right; with this, 17.)
    margin_frames: int = 19
    # 60 s: longer audio is cut, and what was heard is answered.
    longest_frames: int = 1875
    # Less voice than 128 ms is a noise and not a word.
    least_voiced_frames: int = 4


@dataclass(slots=True)
class Utterance:
    """Frames are counted from the stream's beginning."""

    first: int
    last: int
    # Where it was decided that it had ended.
    decided: int = 0
    voiced: int = 0
    cut: bool = False
    # (first, last) of each run of voiced frames.
    runs: list[tuple[int, int]] = field(default_factory=list)

    def speech(self, rules: Endpointing) -> bool:
        return self.voiced >= rules.least_voiced_frames

    def spans(self, rules: Endpointing) -> list[tuple[int, int]]:
        """What is worth recognising, [start, end) in frames: the runs with their margins, those that touch joined."""
        joined: list[tuple[int, int]] = []
        for first, last in self.runs:
            start, end = max(0, first - rules.margin_frames), min(self.decided, last + 1 + rules.margin_frames)
            if joined and start <= joined[-1][1]:
                start = joined.pop()[0]
            joined.append((start, end))
        return joined


class Found(Enum):
    STARTED = 1
    ENDED = 2


class Endpointer:
    """One frame after the other. `utterance` is the one that runs or has just ended.

    `automatic`: silence ends an utterance; otherwise only `finish` and the longest length do."""

    def __init__(self, rules: Endpointing, *, automatic: bool) -> None:
        self._rules, self._automatic = rules, automatic
        self.frame = 0
        self.utterance: Utterance | None = None
        self.speaking = False
        self._candidate: list[int] = []
        # After a cut the rest of that speech is not another utterance.
        self._ignoring = False
        self._silent = 0

    @property
    def deaf(self) -> bool:
        """Nothing but `finish` changes anything: frames need not be looked at."""
        return self._ignoring and not self._automatic

    @property
    def needed_from(self) -> int:
        """Frames before this one will not be asked for again."""
        utterance, margin = self.utterance, self._rules.margin_frames
        if self.speaking and utterance is not None:
            return max(0, utterance.first - margin)
        return max(0, (self._candidate[0] if self._candidate else self.frame) - margin)

    def push(self, probability: float) -> Found | None:
        frame, self.frame = self.frame, self.frame + 1
        if self._ignoring:
            self._wait_for_silence(probability)
            return None
        return self._continue(frame, probability) if self.speaking else self._await(frame, probability)

    def finish(self) -> Utterance | None:
        """No more audio of this utterance: what ran until now. The next frame begins anew."""
        ended = self._end(cut=False) if self.speaking else None
        self._ignoring, self._candidate, self._silent = False, [], 0
        return ended

    def cut(self) -> Utterance | None:
        """Ends what runs because it is too long."""
        if not self.speaking:
            return None
        self._ignoring, self._silent = True, 0
        return self._end(cut=True)

    def _await(self, frame: int, probability: float) -> Found | None:
        if probability >= self._rules.start_at:
            self._candidate.append(frame)
        elif probability < self._rules.stay_at:
            self._candidate.clear()
        if len(self._candidate) < self._rules.start_frames:
            return None
        first, count = self._candidate[0], len(self._candidate)
        self.utterance = Utterance(first, frame, frame, voiced=count, runs=[(first, frame)])
        self.speaking, self._candidate = True, []
        return Found.STARTED

    def _continue(self, frame: int, probability: float) -> Found | None:
        utterance = self.utterance
        assert utterance is not None
        if probability >= self._rules.stay_at:
            runs = utterance.runs
            if runs[-1][1] == frame - 1:
                runs[-1] = (runs[-1][0], frame)
            else:
                runs.append((frame, frame))
            utterance.last, utterance.voiced = frame, utterance.voiced + 1
        if frame - utterance.first + 1 >= self._rules.longest_frames:
            self.cut()
            return Found.ENDED
        if self._automatic and frame - utterance.last >= self._rules.hangover_frames:
            self._end(cut=False)
            return Found.ENDED
        return None

    def _end(self, *, cut: bool) -> Utterance:
        utterance = self.utterance
        assert utterance is not None
        self.speaking = False
        utterance.decided, utterance.cut = self.frame, cut
        return utterance

    def _wait_for_silence(self, probability: float) -> None:
        if not self._automatic:
            return
        self._silent = 0 if probability >= self._rules.stay_at else self._silent + 1
        self._ignoring = self._silent < self._rules.hangover_frames
