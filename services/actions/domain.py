"""What a domain of actions is: functions from what was asked (and the user's rows) to what to say."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

Data = Mapping[str, str]


class Effect(Enum):
    """What an action may change. Declared, because a question or a replay must not act."""

    READ = "read"
    LOCAL = "local"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Asked:
    """One act that was asked for. `now` is the turn's, in the user's time zone."""

    slots: Data
    text: str
    now: datetime

    def slot(self, *names: str) -> str:
        """The first of these slots that is filled; "" where none is."""
        return next((self.slots[n].strip() for n in names if self.slots.get(n, "").strip()), "")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of a user's: a list's item, a note, a timer. `due_us`: when a timer goes off; 0 for others."""

    id: str
    data: Data
    due_us: int = 0


class Rows(Protocol):
    """The asking user's things, inside the transaction of the act."""

    def all(self, kind: str) -> list[Row]:
        """Oldest first."""
        ...

    def add(self, kind: str, data: Data, due_us: int = 0) -> Row: ...

    def remove(self, row: Row) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. `say`: the sentence, from data. `summary`: what ends a turn that could not wait for it.
    `acted`: False where nothing was changed although it was asked for (a question back, nothing to cancel)."""

    say: str
    summary: str = ""
    title: str = ""
    lines: list[str] = field(default_factory=list)
    acted: bool = True


@dataclass(frozen=True, slots=True)
class Action:
    """`answer` needs no rows and is ready before the transaction that records it; `act` is part of it.

    `reach` acts outside, within `seconds`; it gets the call's id, by which the other side can tell a repetition. It
    raises Refused, InvalidRequest or Unreachable where nothing was done; after anything else nobody can say."""

    effect: Effect
    answer: Callable[[Asked], Done] | None = None
    act: Callable[[Asked, Rows], Done] | None = None
    reach: Callable[[Asked, str], Awaitable[Done]] | None = None
    seconds: float = 20.0
