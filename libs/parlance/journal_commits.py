"""Committed offsets, written lazily: a crash redelivers what was done in the last 100 ms, it never loses."""

import asyncio
from functools import partial

from parlance.journal_driver import Driver
from parlance.journal_log import Job, Log

COMMIT_S = 0.05

Offsets = dict[tuple[str, str, int], int]


class Commits:
    """Collects offsets by (group, topic, partition) and writes them in one job every 50 ms."""

    def __init__(self, driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
        self._driver = driver
        self._loop = loop
        self._pending: Offsets = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, group: str, topic: str, partition: int, next_offset: int) -> None:
        self._pending[group, topic, partition] = next_offset
        if self._timer is None:
            self._timer = self._loop.call_later(COMMIT_S, self.write)

    def write(self) -> None:
        """Puts what is pending into the writer's queue."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            offsets, self._pending = self._pending, {}
            self._driver.put(Job(work=partial(_write, offsets)))


def _write(offsets: Offsets, log: Log) -> None:
    log.db.executemany(
        "INSERT INTO committed VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
        [(group, log.topic_id(topic), part, offset) for (group, topic, part), offset in offsets.items()],
    )
