"""What the writer is asked to do, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from parlance.bus import Out
from parlance.postgres_sql import Db

Done = Callable[[Any], None]
Row = tuple[str, str]
"""(stage, session)"""


@dataclass(slots=True, eq=False)
class Save:
    """Replaces `version` of a row by the next one. `refused`: the rows of one owner of which a save was refused and
    that were not loaded since; the writer's thread alone touches it."""

    refused: set[Row]
    row: Row
    version: int
    content: bytes | None
    due_us: int | None
    outs: tuple[Out, ...] = ()
    durable: bool = False
    done: Done = print
    # The loop's time at which it was asked for.
    since: float = 0.0


@dataclass(slots=True, eq=False)
class Work:
    """Runs `work(tx)` in a transaction of its own. `reads`: it changes nothing, so doing it twice is harmless."""

    work: "Callable[[Transaction], Any]"
    done: Done
    durable: bool = False
    reads: bool = False
    since: float = 0.0


@dataclass(slots=True, eq=False)
class Acked:
    """Events that Kafka has: they leave the outbox with the next transaction."""

    ids: list[int]


Job = Save | Work | Acked


@dataclass(slots=True)
class Told:
    """A job's outcome. `ids`: those of its events in the outbox, in order; None: not known, the table must be asked."""

    value: Any
    outs: tuple[Out, ...] = ()
    ids: list[int] | None = None


@dataclass(slots=True)
class Transaction:
    """What the work of a transaction sees: its database, and the outbox to append to."""

    db: Db
    outs: list[Out] = field(default_factory=list)

    def append(self, out: Out) -> None:
        self.outs.append(out)


@dataclass(slots=True)
class Chain:
    """Saves of one row that follow each other: they become one statement."""

    saves: list[Save]

    @property
    def outs(self) -> tuple[Out, ...]:
        return tuple(out for save in self.saves for out in save.outs)

    def takes(self, save: Save) -> bool:
        last = self.saves[-1]
        return last.refused is save.refused and last.row == save.row and last.version + 1 == save.version

    def told(self, ids: list[int] | None) -> list[tuple[Done, Any]]:
        """What each of its saves is answered once they are committed."""
        made: list[tuple[Done, Any]] = []
        at = 0
        for save in self.saves:
            own = None if ids is None else ids[at : at + len(save.outs)]
            at += len(save.outs)
            made.append((save.done, Told(save.version + 1, save.outs, own)))
        return made


def chains(saves: list[Save]) -> list[Chain]:
    """By row, so that two processes never wait for each other's rows crosswise; those of a row in their order."""
    made: dict[Row, list[Chain]] = {}
    for save in saves:
        found = made.setdefault(save.row, [])
        if found and found[-1].takes(save):
            found[-1].saves.append(save)
        else:
            found.append(Chain([save]))
    return [chain for row in sorted(made) for chain in made[row]]
