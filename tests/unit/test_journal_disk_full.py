"""A full disk: it is told, nothing acknowledged is lost, what nobody waited for is kept, and it ends by itself."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.errors import Unavailable
from parlance.events import TopicInfo
from parlance.journal_space import BALLAST_BYTES, Ballast
from parlance.store_sqlite import SqliteStore
from tests.contract.bus_suite_tools import Collector, numbered, until

TOPIC = TopicInfo("one.v1", 1)


def out(value: bytes) -> Out:
    return Out(TOPIC.name, 0, b"k", value)


async def fill(bus: JournalBus) -> int:
    """Publishes until it is refused; how many were acknowledged."""
    for n in range(10_000):
        try:
            await bus.publish(out(b"%d" % n + b" " * 20_000))
        except Unavailable as exc:
            assert "is full" in exc.message and "free some space" in exc.message
            return n
    raise AssertionError("never full")


@pytest.fixture(params=["thread", "inline"])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalBus]:
    opened = JournalBus(tmp_path / "journal.db", inline=request.param == "inline")
    opened.declare([TOPIC])
    await opened.start()
    yield opened
    await opened.stop()


async def limit(bus: JournalBus, more_pages: int) -> None:
    """The file may grow by so many pages: SQLite says "full" then, as it does of a disk."""
    await bus.flush()
    db = bus._writer.db
    db.pragma("max_page_count", db.pragma("page_count") + more_pages)


async def test_a_full_disk_is_told_and_ends_by_itself(bus: JournalBus) -> None:
    got = Collector()
    bus.subscribe("g", [TOPIC.name], got)
    await limit(bus, 100)
    acknowledged = await fill(bus)
    assert "is full" in bus.failed
    bus.append([out(b"kept 1")])
    bus.append([out(b"kept 2")], lazy=True)
    with pytest.raises(Unavailable, match="is full"):
        await bus.publish(out(b"refused"))
    records = await bus.read(TOPIC.name, 0, 0)
    assert [record.value.split()[0] for record in records] == numbered(acknowledged)
    bus._writer.db.pragma("max_page_count", 1 << 30)
    await got.until(acknowledged + 2)
    assert got.values[acknowledged:] == [b"kept 1", b"kept 2"]
    await until(lambda: not bus.failed)
    assert (await bus.publish(out(b"on"))).offset == acknowledged + 2


async def test_a_row_is_not_saved_without_its_events(bus: JournalBus) -> None:
    store = SqliteStore(bus)
    await store.save("dialogue", "s", 0, b"row", None)
    await limit(bus, 20)
    with pytest.raises(Unavailable):
        await store.save("dialogue", "s", 1, b"new", None, [out(b"x" * 1_000_000)])
    bus._writer.db.pragma("max_page_count", 1 << 30)
    await until(lambda: not bus.failed)
    assert await store.load("dialogue", "s") == (1, b"row")
    assert await bus.end(TOPIC.name, 0) == 0


async def test_stopping_on_a_full_disk_tells_what_is_lost(tmp_path: Path) -> None:
    bus = JournalBus(tmp_path / "journal.db")
    bus.declare([TOPIC])
    await bus.start()
    await limit(bus, 50)
    await fill(bus)
    bus.append([out(b"x" * 100_000)])
    with pytest.raises(Unavailable, match="is full"):
        await bus.stop()


async def test_the_owner_keeps_a_ballast_and_frees_it_on_a_full_disk(tmp_path: Path) -> None:
    ballast = tmp_path / "journal.ballast"
    bus = JournalBus(tmp_path / "journal.db")
    bus.declare([TOPIC])
    await bus.start()
    await until(ballast.exists)
    assert ballast.stat().st_size == BALLAST_BYTES
    await limit(bus, 50)
    await fill(bus)
    assert not ballast.exists()
    bus._writer.db.pragma("max_page_count", 1 << 30)
    await until(lambda: not bus.failed)
    await bus.stop()
    Ballast(tmp_path / "journal.db").keep()
    assert ballast.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", tmp_path], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("no mounts here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


async def test_a_disk_that_is_really_full_is_survived(small_disk: Path) -> None:
    bus = JournalBus(small_disk / "journal.db")
    bus.declare([TOPIC])
    await bus.start()
    await until((small_disk / "journal.ballast").exists)
    junk = small_disk / "junk"
    junk.write_bytes(bytes(30 << 20))
    acknowledged = await fill(bus)
    assert acknowledged > 50 and "is full" in bus.failed
    assert not (small_disk / "journal.ballast").exists()
    bus.append([out(b"kept")])
    records = await bus.read(TOPIC.name, 0, acknowledged - 50)
    assert [record.value.split()[0] for record in records] == numbered(50, acknowledged - 50)
    junk.unlink()
    await until(lambda: not bus.failed)
    assert (await bus.publish(out(b"on"))).offset == acknowledged + 1
    await bus.stop()
