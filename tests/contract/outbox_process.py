"""A process that saves rows with their events and is killed: at a named point by itself, or by its parent.

    python -m tests.contract.outbox_process HOME URL TOPIC unsent|on
unsent: dies after a row's commit, before anything is published. on: counts up until it is killed.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from parlance.bus_journal import JournalBus
from parlance.bus_kafka import KafkaBus
from parlance.bus_outbox import OutboxBus
from parlance.events import TopicInfo
from parlance.store_sqlite import SqliteStore
from tests.contract.bus_suite_tools import out


async def unsent(path: Path, topic: TopicInfo) -> None:
    """The outbox's journal without its relay: the row is committed, nobody has published."""
    rows = JournalBus(path)
    rows.declare([topic])
    await rows.start()
    await SqliteStore(rows).save("stage", "s", 0, b"row", None, [out(topic, b"0"), out(topic, b"1")])
    os.kill(os.getpid(), signal.SIGKILL)


async def on(path: Path, url: str, topic: TopicInfo) -> None:
    bus = OutboxBus(path, KafkaBus(url))
    bus.declare([topic])
    store = SqliteStore(bus.rows)
    await bus.start()
    version, row = await store.load("stage", "s")
    n = int(row or b"0")
    while True:
        version = await store.save("stage", "s", version, b"%d" % (n + 2), None, [out(topic, b"%d" % n)])
        bus.append([out(topic, b"%d" % (n + 1))])
        print(n, flush=True)
        n += 2


def main(home: str, url: str, name: str, how: str) -> None:
    path, topic = Path(home) / "rows.db", TopicInfo(name, 4)
    asyncio.run(unsent(path, topic) if how == "unsent" else on(path, url, topic))


if __name__ == "__main__":
    main(*sys.argv[1:])
