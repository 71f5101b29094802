"""A turn as its handler sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from parlance.ask import Ask
from parlance.v1.reply_pb2 import Outcome, Reason, TurnCompleted

S = TypeVar("S")


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
    close: Callable[[Outcome.ValueType, Reason.ValueType], TurnCompleted]
