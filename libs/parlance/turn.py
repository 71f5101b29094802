"""A turn as its handler sees it."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from parlance.ask import Ask
from parlance.v1.reply_pb2 import Outcome, Question, Reason, TurnCompleted

S = TypeVar("S")


class Close(Protocol):
    """The turn's end. `question`: with REASON_ASKED, what the next turn may answer."""

    def __call__(
        self, outcome: Outcome.ValueType, reason: Reason.ValueType, question: Question | None = None
    ) -> TurnCompleted: ...


@dataclass(slots=True)
class Turn(Generic[S]):
    """`state`: the session state that the turn began with; `now`: when it was asked, microseconds UTC."""

    id: str
    session: str
    user: str
    device: str
    now: int
    time_zone: str
    state: S
    ask: Ask
    close: Close
