"""Turns of every kind, what must come of each, and what the log says came of it."""

from dataclasses import dataclass

from benchmarks.typing_device import Asked
from parlance.events import kind, payload
from parlance.history import Past
from parlance.v1.reply_pb2 import Outcome, Settlement

STORY = " ".join(f"This is sentence number {n} of a long story." for n in range(1, 41))
SCRIPT = {
    "chunk_delay_s": 0.001,
    "answers": [
        {"contains": "story", "text": STORY},
        {"contains": "break off", "text": "It begins well. Then it ends.", "fail_after": 4},
        {"text": "Well done. Look here. Good luck."},
    ],
}


@dataclass(frozen=True, slots=True)
class Kind:
    """`text` may hold {n}, the number of the turn. `acts`: how many effects a turn of this kind has."""

    name: str
    text: str
    intent: str
    outcome: Outcome.ValueType = Outcome.OUTCOME_ANSWERED
    acts: int = 0
    interrupted: bool = False


KINDS = (
    Kind("chat", "how do you feel about number {n}", "chat"),
    Kind("timer", "set a timer for three hours", "timer.set", acts=1),
    Kind("list", "put thing {n} on my shopping list", "list.add", acts=1),
    Kind("sum", "what is {n} times twelve", "calc.evaluate", acts=1),
    Kind("contact", "what is Anna's number", "contacts.phone"),
    Kind("interrupted", "tell me a story about number {n}", "chat", Outcome.OUTCOME_CANCELLED, interrupted=True),
    Kind("failing", "let this break off at number {n}", "chat", Outcome.OUTCOME_FAILED),
)

# After each block, so that what the acts have left in the store is counted and does not grow.
TIDYING = (
    Kind("list", "clear my shopping list", "list.remove", acts=1),
    Kind("timer", "cancel all timers", "timer.cancel", acts=1),
)


@dataclass(slots=True)
class Verdict:
    """`lost`: something that must be there is not. `doubled`: something is there twice."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    why: str = ""

    def judge(self, asked: Asked, wanted: Kind, past: Past) -> None:
        """One turn: as its device saw it, and as it stands in the log."""
        counts = {
            "ends in the log": (_count(past, "completed"), 1),
            "ends told to the device": (len(asked.outcomes), 1),
            "acts": (len(_acts(past)), wanted.acts),
            "clauses in the log": (_count(past, "clause"), len(_clauses(past))),
            "clauses at the device": (len(asked.clauses), len(set(asked.clauses))),
        }
        if not wanted.interrupted:
            counts["clauses told to the device"] = (len(asked.clauses), len(_clauses(past)))
        for what, (found, expected) in counts.items():
            self.count(f"{wanted.name} {asked.turn_id}: {what}", found, expected)
        self._judge_outcome(asked, wanted, past)

    def count(self, what: str, found: int, expected: int) -> None:
        self.lost += max(0, expected - found)
        self.doubled += max(0, found - expected)
        if found != expected:
            self._note(f"{what}: {found} instead of {expected}")

    def _judge_outcome(self, asked: Asked, wanted: Kind, past: Past) -> None:
        ends = [payload(s.event).outcome for s in past.seen if kind(s.event) == "completed"]
        meant = [payload(s.event).intent for s in past.seen if kind(s.event) == "recognized"]
        if ends != [wanted.outcome] * len(ends) or meant != [wanted.intent]:
            self.wrong += 1
            self._note(f"{wanted.name} {asked.turn_id}: ended {ends}, meant {meant}")

    def _note(self, why: str) -> None:
        self.why = self.why or why


def _count(past: Past, name: str) -> int:
    return sum(kind(s.event) == name for s in past.seen)


def _clauses(past: Past) -> set[int]:
    return {payload(s.event).seq for s in past.seen if kind(s.event) == "clause"}


def _acts(past: Past) -> list[str]:
    done = (payload(s.event) for s in past.seen if s.topic == "effect.v1")
    return [body.call_id for body in done if body.settlement == Settlement.SETTLEMENT_DONE]
