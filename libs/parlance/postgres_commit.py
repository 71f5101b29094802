"""One transaction of the writer: what it says to the server, and how its end is found out after a cut connection."""

from dataclasses import dataclass
from typing import Any

import psycopg

from parlance.postgres_jobs import Chain, Done, Job, Save, Told, Work
from parlance.postgres_tables import MARKED, SAVED_BY, STATEMENTS, columns
from parlance.randomness import Random
from parlance.store import Conflict

# SQLSTATE classes: the server cannot do it now, but may later (connection, resources, operator, system; read-only).
_LATER = ("08", "53", "57", "58", "25")
_random = Random(8)

Outcomes = list[tuple[Done, Any]]


@dataclass(slots=True)
class Doubt:
    """A transaction whose commit was cut off, and what is to be told if it was done."""

    mark: int
    unit: list[Job]
    chains: list[Chain]
    told: Told | None = None

    def done(self, connection: Any, writer: int) -> list[tuple[Save | Work, Told]]:
        """What of it was done. The events' numbers are not known any more."""
        if self.told is not None:
            found = connection.execute(MARKED, (writer,)).fetchone()
            if found is None or found[0] != self.mark:
                return []
            return [(job, self.told) for job in self.unit if isinstance(job, Work)]
        done: list[tuple[Save | Work, Told]] = []
        for chain in self.chains:
            found = connection.execute(SAVED_BY, chain.saves[0].row).fetchone()
            # A row that somebody else has saved since tells nothing any more, but also that this owner is replaced.
            if found is not None and found[0] == self.mark:
                done += [(save, Told(save.version + 1, save.outs)) for save in chain.saves]
        return done


def begin(connection: Any, durable: bool) -> None:
    connection.execute("BEGIN")
    if durable:
        connection.execute("SET LOCAL synchronous_commit = on")


def ask(connection: Any, chain: Chain, mark: int) -> Any:
    first, last, outs = chain.saves[0], chain.saves[-1], chain.outs
    where = first.row if first.version == 0 else (*first.row, first.version)
    values = (last.version + 1, last.due_us, last.content, mark, *where)
    statement = STATEMENTS[first.version == 0, bool(outs)]
    return connection.execute(statement, (*values, *columns(outs)) if outs else values)


def away(connection: Any, exc: Exception) -> bool:
    """Whether this is the database's trouble, not that of what was asked."""
    if connection.broken or connection.closed:
        return True
    if not isinstance(exc, psycopg.Error) or (exc.sqlstate is None and isinstance(exc, psycopg.DataError)):
        return False
    return (exc.sqlstate or "08")[:2] in _LATER


def refuse(chain: Chain) -> Outcomes:
    first = chain.saves[0]
    first.refused.add(first.row)
    told = f"the session's row was saved by somebody else since version {first.version}"
    return [(save.done, Conflict(told)) for save in chain.saves]


def fresh_mark() -> int:
    return int.from_bytes(_random.take(), "big") >> 1
