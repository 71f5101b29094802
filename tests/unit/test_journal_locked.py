"""Another process writes: the writer waits for its turn, also right after it has looked where a partition ends."""

import threading
from pathlib import Path

import pytest

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.events import TopicInfo
from parlance.journal_schema import connect

TOPIC = TopicInfo("one.v1", 1)


@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
async def test_a_writer_waits_for_the_lock_of_another(tmp_path: Path, inline: bool) -> None:
    bus = JournalBus(tmp_path / "journal.db", inline=inline)
    bus.declare([TOPIC])
    await bus.start()
    await bus.publish(Out(TOPIC.name, 0, b"k", b"first"))
    other = connect(tmp_path / "journal.db")
    for n in range(3):
        assert await bus.work(lambda log: log.forget() or log.head(TOPIC.name, 0)) == n + 1  # type: ignore[func-returns-value]
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.1, lambda: other.execute("COMMIT"))
        release.start()
        record = await bus.publish(Out(TOPIC.name, 0, b"k", b"second"))
        release.join()
        assert record.offset == n + 1
    other.close()
    await bus.stop()
