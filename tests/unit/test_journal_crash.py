"""What the journal survives: kill -9, a torn write-ahead log, a broken file; and what it says of it."""

import asyncio
import random
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from parlance.bus import Out, Record
from parlance.bus_journal import JournalBus
from parlance.errors import Unavailable
from parlance.events import TopicInfo
from tests.contract.bus_suite_tools import Collector, numbered, ready
from tests.unit.journal_process import TOPIC as KILLED
from tests.unit.journal_process import __name__ as process

TOPIC = TopicInfo("one.v1", 1)


@asynccontextmanager
async def journal(path: Path, *topics: TopicInfo) -> Any:
    bus = JournalBus(path)
    bus.declare(topics or [TOPIC])
    await bus.start()
    yield bus
    await bus.stop()


def out(value: bytes) -> Out:
    return Out(TOPIC.name, 0, b"k", value)


async def publish_until_killed(path: Path, round_: int, lines: int) -> list[tuple[int, int, str]]:
    """(partition, offset, value) of what was acknowledged to a process that is killed after so many."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", process, str(path), str(round_), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    read = [await child.stdout.readline() for _ in range(lines)]
    child.kill()
    read += (await child.stdout.read()).splitlines(keepends=True)
    await child.wait()
    whole = [line.decode().split() for line in read if line.endswith(b"\n")]
    return [(int(partition), int(offset), value) for partition, offset, value in whole]


async def test_after_kill_9_all_that_was_acknowledged_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    acknowledged: list[tuple[int, int, str]] = []
    chance = random.Random(7)
    for round_ in range(4):
        acknowledged += await publish_until_killed(path, round_, chance.randrange(50, 1500))
    async with journal(path, KILLED) as bus:
        for partition in range(2):
            end = await bus.end(KILLED.name, partition)
            records: list[Record] = []
            while len(records) < end:
                records += await bus.read(KILLED.name, partition, len(records))
            assert [record.offset for record in records] == list(range(end))
            assert len({record.value for record in records}) == end
            at = {record.offset: record.value.decode() for record in records}
            assert all(at[offset] == value for part, offset, value in acknowledged if part == partition)
        got = Collector()
        await ready(bus.subscribe("g", [KILLED.name], got))  # commits never run ahead of the log
    assert len(acknowledged) > 200


async def test_of_a_torn_write_ahead_log_only_a_suffix_is_lost(tmp_path: Path) -> None:
    path, torn = tmp_path / "a" / "journal.db", tmp_path / "b" / "journal.db"
    async with journal(path) as bus:
        for value in numbered(200):
            await bus.publish(out(value))
        # Not by this process: closing any descriptor of the file would drop SQLite's locks.
        copy = await asyncio.create_subprocess_exec("cp", "-r", path.parent, torn.parent)
        assert await copy.wait() == 0
    wal = torn.with_name("journal.db-wal")
    torn.with_name("journal.db-shm").unlink()
    size = wal.stat().st_size
    with wal.open("r+b") as file:
        file.truncate(size - 50_000)
        file.seek(size - 60_000)
        file.write(b"\xa5" * 500)
    async with journal(torn) as bus:
        values = [record.value for record in await bus.read(TOPIC.name, 0, 0)]
        assert 0 < len(values) < 200 and values == numbered(len(values))
        assert (await bus.publish(out(b"on"))).offset == len(values)


@pytest.mark.parametrize("damage", [b"this is a text file, not a journal\n" * 40, b"\xa5" * 100_000])
async def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(damage)
    with pytest.raises(Unavailable, match=r"journal\.db is damaged: .*move the file away"):
        await JournalBus(path).start()
    assert path.read_bytes() == damage
    path.rename(tmp_path / "journal.broken")
    async with journal(path) as bus:  # the lock is free again
        assert (await bus.publish(out(b"1"))).offset == 0


async def test_a_journal_damaged_in_the_middle_says_so_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path) as bus:
        bus.append([out(b"x" * 1000) for _ in range(2000)])
    pages = path.stat().st_size // 8192
    with path.open("r+b") as file:
        for page in range(pages // 2, pages):
            file.seek(page * 8192)
            file.write(b"\xff" * 8192)
    bus = JournalBus(path)
    bus.declare([TOPIC])
    with pytest.raises(Unavailable, match="damaged"):
        await bus.start()
        async with asyncio.timeout(30):
            await bus.subscribe("g", [TOPIC.name], Collector()).caught_up()
    assert "damaged" in bus.failed
    bus.abort()
    assert path.stat().st_size == pages * 8192


async def test_a_journal_of_a_newer_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path) as bus:
        await bus.work(lambda log: log.db.execute("PRAGMA user_version=9") and None)
    with pytest.raises(Unavailable, match="update Parlance"):
        await JournalBus(path).start()


async def test_an_sqlite_that_may_corrupt_the_journal_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apsw.sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(Unavailable, match="apsw"):
        await JournalBus(tmp_path / "journal.db").start()


async def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="PARLANCE_HOME"):
        await JournalBus(tmp_path / "file" / "journal.db").start()
