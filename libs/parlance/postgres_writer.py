"""What the one writer of a process does on PostgreSQL: saves that are queued become one transaction, each piece of
other work one of its own, in the order in which they were asked for.

No thread and no loop in here: `postgres_driver` says where it runs. Where the database is away everything waits, up to
a minute, and is done once it is back. A commit that was cut off is looked up before anything is done again.
"""

import contextlib
from collections import deque
from typing import Any

import psycopg
from psycopg import errors

from parlance.errors import Unavailable
from parlance.log import logger
from parlance.postgres_address import HELD_S, RETRY_S, SOON_S, Address, reason
from parlance.postgres_commit import Doubt, Outcomes, ask, away, begin, fresh_mark, refuse
from parlance.postgres_jobs import Acked, Chain, Job, Save, Told, Transaction, Work, chains
from parlance.postgres_sql import Db
from parlance.postgres_tables import (
    APPEND,
    END_OTHERS,
    FORGET,
    MARK,
    columns,
)

_BATCH = 256
_ATTEMPTS = 5
# With synchronous_commit off, what is committed is on disk within three times wal_writer_delay (0.2 s).
_UNSYNCED_S = 3.0
# Another transaction stood in the way: the same again may go through.
_AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)


class Away(Exception):
    """The database cannot do it now."""


class Writer:
    def __init__(self, address: Address) -> None:
        self.failed = ""
        self.held: deque[Job] = deque()
        self.connection: Any = None
        self._address = address
        self._id = fresh_mark()
        self._name = f"parlance-writer-{self._id}"
        self._doubt: Doubt | None = None
        self._retry_at = 0.0
        self._away_since: float | None = None
        self._attempts = 0
        # What a server that crashes may forget again: see `_redo`.
        self._recent: list[Chain] = []
        # Jobs that are done one by one, because one of them spoils the others' transaction.
        self._alone = 0

    def open(self) -> None:
        """Raises psycopg.Error where the database cannot be used."""
        self.connection = self._address.connect(self._name)
        self.connection.execute("SET synchronous_commit = off")

    def close(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(psycopg.Error):
                self.connection.close()

    def step(self, jobs: list[Job], now: float) -> Outcomes:
        """Does what it can. `now`: the loop's time."""
        self.held += jobs
        outcomes: Outcomes = []
        if self.connection is not None:
            self._recent = [chain for chain in self._recent if now - chain.saves[-1].since < _UNSYNCED_S]
        while self.held and self._ready(now, outcomes):
            if not self.held:
                break
            unit = self._unit()
            try:
                outcomes += self._do(unit)
            except Away as exc:
                self._lose(exc.__cause__, now)
            except Exception as exc:  # an outcome of the work, whatever it is
                outcomes += self._fail(unit, exc)
        return outcomes + self._expired(now)

    def _unit(self) -> list[Job]:
        """What the next transaction does: one piece of work, or all saves up to the next one."""
        unit: list[Job] = []
        for job in self.held:
            if isinstance(job, Work):
                return unit or [job]
            unit.append(job)
            if len(unit) == _BATCH or self._alone:
                break
        return unit

    def _do(self, unit: list[Job]) -> Outcomes:
        try:
            first = unit[0]
            outcomes = self._work(first) if isinstance(first, Work) else self._save(unit)
        except _AGAIN as exc:
            self._roll_back()
            self._attempts += 1
            if self._attempts >= _ATTEMPTS:
                raise Unavailable(f"PostgreSQL gave up a transaction {_ATTEMPTS} times: {reason(exc)}") from exc
            return []
        except Exception as exc:
            if away(self.connection, exc):
                raise Away from exc
            self._roll_back()
            raise
        self._pop(unit)
        return outcomes

    def _save(self, unit: list[Job]) -> Outcomes:
        saves = [job for job in unit if isinstance(job, Save)]
        found = chains(saves)
        left = [chain for chain in found if chain.saves[0].row not in chain.saves[0].refused]
        refused = [chain for chain in found if chain.saves[0].row in chain.saves[0].refused]
        mark = fresh_mark()
        self._doubt = Doubt(mark, unit, left)
        with self.connection.pipeline():
            begin(self.connection, any(save.durable for save in saves))
            asked = [ask(self.connection, chain, mark) for chain in left]
            acked = [number for job in unit if isinstance(job, Acked) for number in job.ids]
            if acked:
                self.connection.execute(FORGET, (acked,))
            self.connection.execute("COMMIT")
        self._doubt = None
        outcomes: Outcomes = []
        for chain, cursor in zip(left, asked, strict=True):
            done, ids = cursor.fetchone()
            outcomes += chain.told(ids) if done else []
            refused += [] if done else [chain]
            self._recent += [chain] if done else []
        return outcomes + [pair for chain in refused for pair in refuse(chain)]

    def _work(self, job: Work) -> Outcomes:
        begin(self.connection, job.durable)
        transaction = Transaction(Db(self.connection))
        told = Told(job.work(transaction), tuple(transaction.outs))
        if job.reads:
            self.connection.execute("COMMIT")
            return [(job.done, told)]
        mark = fresh_mark()
        self._doubt = Doubt(mark, [job], [], Told(told.value, told.outs))
        with self.connection.pipeline():
            asked = self.connection.execute(APPEND, columns(told.outs)) if told.outs else ()
            self.connection.execute(MARK, (self._id, mark))
            self.connection.execute("COMMIT")
            told.ids = [number for (number,) in asked]
        self._doubt = None
        return [(job.done, told)]

    def _pop(self, unit: list[Job]) -> None:
        """They are done; they stand first in line."""
        for _ in unit:
            self.held.popleft()
        self._attempts = 0
        self._alone = max(0, self._alone - len(unit))

    def _drop(self, jobs: list[Job]) -> None:
        gone = set(map(id, jobs))
        self.held = deque(job for job in self.held if id(job) not in gone)

    def _fail(self, unit: list[Job], exc: Exception) -> Outcomes:
        """Where one of several spoils the transaction, each is done alone, so that only the bad one fails."""
        if len(unit) > 1:
            self._alone = len(unit)
            return []
        self._pop(unit)
        return [(job.done, exc) for job in unit if not isinstance(job, Acked)]

    def _roll_back(self) -> None:
        """What was rolled back is in no doubt."""
        self._doubt = None
        with contextlib.suppress(psycopg.Error):
            self.connection.execute("ROLLBACK")

    def _lose(self, exc: BaseException | None, now: float) -> None:
        self.close()
        self.connection = None
        self._retry_at = now + (RETRY_S if self.failed else SOON_S)
        told = self._address.unusable(exc).message if isinstance(exc, Exception) else "PostgreSQL is away"
        if not self.failed:
            logger.warning("%s", told)
            self._away_since = now
        self.failed = told

    def _ready(self, now: float, outcomes: Outcomes) -> bool:
        """Whether there is a connection, and no doubt about what was done on the one before."""
        if self.connection is None and now < self._retry_at:
            return False
        try:
            if self.connection is None:
                self._reopen()
            if self._doubt is not None:
                outcomes += self._resolved(self._doubt)
                self._doubt = None
        except psycopg.Error as exc:
            self._lose(exc, now)
            return False
        if self.failed:
            logger.warning("PostgreSQL at %s answers again", self._address)
        self.failed, self._away_since = "", None
        return True

    def _reopen(self) -> None:
        self.open()
        (ended,) = self.connection.execute(END_OTHERS, (self._name,)).fetchone()
        if ended is False:
            raise errors.OperationalError("the transaction before the connection was cut has not ended yet")
        self._redo()

    def _redo(self) -> None:
        """A server that crashed forgets what it has not synced: the last moments' rows are written again, where nobody
        else has saved them since. Their events come twice then, from the table."""
        for chain in self._recent:
            with self.connection.transaction():
                ask(self.connection, chain, fresh_mark())
        self._recent.clear()

    def _resolved(self, doubt: Doubt) -> Outcomes:
        """What was done before the connection was cut is told; what was not stays in line."""
        held = set(map(id, self.held))
        done = [(job, told) for job, told in doubt.done(self.connection, self._id) if id(job) in held]
        self._drop([job for job, _ in done])
        return [(job.done, told) for job, told in done]

    def _expired(self, now: float) -> Outcomes:
        """What has waited too long for the database is given up; whether it was done may not be known."""
        if self._away_since is None:
            return []
        late = [job for job in self.held if not isinstance(job, Acked) and now - job.since >= HELD_S]
        self._drop([*late])
        return [(job.done, Unavailable(self.failed)) for job in late]
