"""What the journal's one writer does: whatever is queued becomes one transaction, and its outcome one value.

No thread and no loop in here: `journal_driver` says where it runs.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from parlance import clock
from parlance.errors import ParlanceError, Unavailable
from parlance.journal_log import Batch, Job, Log
from parlance.journal_schema import DISK_ERRORS, explain
from parlance.journal_space import Ballast

RETRY_S = 1.0
# Appends kept in memory while the disk refuses; beyond it, `append` itself refuses.
HELD_LIMIT = 10_000


class Writer:
    """Commits batches of jobs; keeps order, tells failures apart, and goes on by itself after a full disk."""

    def __init__(self, db: apsw.Connection, path: Path, ballast: Ballast) -> None:
        self.db = db
        self.failed = ""
        self.held: list[Job] = []
        self.on_full: Callable[[], None] = ballast.free
        self._log = Log(db)
        self._path = path
        self._ballast = ballast
        self._execute = db.cursor().execute
        self._version = -1
        self._full = False
        self._retry_at = 0.0

    def step(self, jobs: list[Job], now: float) -> Batch:
        """Does the jobs in one transaction. `now`: a monotonic clock in seconds, for trying again."""
        if self.failed and now < self._retry_at:
            return self._refuse(jobs)
        jobs, self.held = self.held + jobs, []
        try:
            if self.failed:
                self._probe()
            batch = self._commit(jobs)
        except DISK_ERRORS as exc:
            return self._fail(jobs, exc, now)
        except Exception:
            batch = self._singly(jobs, now)
        if now >= self._retry_at:
            self.failed = ""
        return batch

    def poll(self) -> Batch:
        """Have others appended? Costs some microseconds."""
        batch = Batch()
        try:
            self._look(batch)
        except DISK_ERRORS as exc:
            self.failed = explain(exc, self._path).message
        return batch

    def _look(self, batch: Batch) -> None:
        version = self._execute("PRAGMA data_version").get
        if version != self._version:
            self._log.forget()
            batch.heads = self._log.heads()
            self._version = version

    def _commit(self, jobs: list[Job]) -> Batch:
        batch = Batch()
        self._sync(any(job.durable for job in jobs))
        self._log.begin(batch.records, clock.now_us())
        try:
            self._execute("BEGIN IMMEDIATE")
            self._look(batch)
            for job in jobs:
                value = self._do(job)
                if job.done is not None:
                    batch.outcomes.append((job.done, value))
            self._execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return batch

    def _do(self, job: Job) -> Any:
        value: Any = None
        for out in job.outs:
            value = self._log.append(out)
        if job.work is None:
            return value
        if job.atomic:
            return self._do_atomic(job.work)
        try:
            return job.work(self._log)
        except ParlanceError as exc:  # raised before anything was written
            return exc

    def _do_atomic(self, work: Callable[[Log], Any]) -> Any:
        kept = len(self._log.records)
        self._execute("SAVEPOINT job")
        try:
            value = work(self._log)
        except DISK_ERRORS:
            raise
        except Exception as exc:
            self._execute("ROLLBACK TO job")
            self._execute("RELEASE job")
            self._log.forget()
            del self._log.records[kept:]
            return exc
        self._execute("RELEASE job")
        return value

    def _singly(self, jobs: list[Job], now: float) -> Batch:
        """One job spoiled the batch: each alone, so that only the bad one fails."""
        whole = Batch()
        for n, job in enumerate(jobs):
            try:
                part = self._commit([job])
            except DISK_ERRORS as exc:
                part = self._fail(jobs[n:], exc, now)
                whole.outcomes += part.outcomes
                return whole
            except Exception as exc:
                part = Batch(outcomes=[(job.done, exc)]) if job.done else Batch(errors=[exc])
            whole.outcomes += part.outcomes
            whole.records += part.records
            whole.heads = part.heads or whole.heads
            whole.errors += part.errors
        return whole

    def _fail(self, jobs: list[Job], exc: Exception, now: float) -> Batch:
        self.failed = explain(exc, self._path).message
        self._retry_at = now + RETRY_S
        if isinstance(exc, apsw.FullError):
            self.on_full()
        return self._refuse(jobs)

    def _refuse(self, jobs: list[Job]) -> Batch:
        """Who waits is told; what nobody waits for is kept until the disk takes it."""
        self.held += [job for job in jobs if job.done is None]
        return Batch(outcomes=[(job.done, Unavailable(self.failed)) for job in jobs if job.done is not None])

    def _probe(self) -> None:
        """Raises where there is still no room."""
        self._ballast.check_room()
        try:
            self._execute("BEGIN IMMEDIATE")
            self._execute("INSERT INTO probe VALUES(zeroblob(65536))")
            self._execute("DELETE FROM probe")
            self._execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        self._log.undo()
        self._version = -1
        with contextlib.suppress(apsw.Error):  # SQLite has already rolled back after some errors
            if self.db.in_transaction:
                self._execute("ROLLBACK")

    def _sync(self, full: bool) -> None:
        if full != self._full:
            self._execute("PRAGMA synchronous=FULL" if full else "PRAGMA synchronous=NORMAL")
            self._full = full
