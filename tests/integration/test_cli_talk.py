"""`parlance ask --play` over gRPC against a gateway that answers by script: when its reply sounds, and when no more."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlance.cli_talk import Talk
from parlance.rpc_server import GrpcServer
from tests.integration.page_fake import RATE_HZ, Scripted

# Plays in real time: notes how much it was given, and how much of that has sounded.
_PROGRAM = f"""#!{sys.executable}
import os, time
from pathlib import Path
while piece := os.read(0, {RATE_HZ // 5}):
    time.sleep(len(piece) / {2 * RATE_HZ})
    with (Path(__file__).parent / "sounded").open("ab") as sounded:
        sounded.write(piece)
"""


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[Scripted, str]]:
    service = Scripted()
    server = GrpcServer({"Gateway": service}, "127.0.0.1:0")
    await server.start()
    yield service, f"127.0.0.1:{server.port}"
    await server.stop()


class Ear:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def bytes(self) -> int:
        """How much has sounded."""
        return self._path.stat().st_size if self._path.exists() else 0

    async def hears(self) -> None:
        async with asyncio.timeout(10):
            while not self.bytes:
                await asyncio.sleep(0.01)


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ear:
    """A machine with one player."""
    program = tmp_path / "aplay"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Ear(tmp_path / "sounded")


def _talk(address: str, text: str) -> tuple[Talk, list[str]]:
    shown: list[str] = []
    talk = Talk(address, lambda who, words: shown.append(f"{who}: {words}"), play=True)
    talk.send_text(text)
    return talk, shown


async def test_a_reply_sounds_while_it_arrives_and_is_reported_when_it_has_sounded(
    gateway: tuple[Scripted, str], ear: Ear
) -> None:
    service, address = gateway
    talk, shown = _talk(address, "two clauses")
    running = asyncio.gather(talk.run(0))
    await ear.hears()
    assert talk.heard.ended is None, "it sounded only when the reply was whole"
    (heard,) = await running
    assert ear.bytes == 2 * RATE_HZ * 2 == round(heard.sound.seconds * 2 * RATE_HZ)
    assert [r.played.all for r in service.seen if r.HasField("played")] == [True]
    assert [line for line in shown if line.startswith("note")] == []


async def test_ctrl_c_is_silence_at_once_and_interrupts_the_turn(gateway: tuple[Scripted, str], ear: Ear) -> None:
    service, address = gateway
    talk, _ = _talk(address, "a long one")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(talk.run(0))
        await ear.hears()
        began = time.monotonic()
        running.cancel()
        await asyncio.sleep(0.1)
        before = ear.bytes
        await asyncio.wait([running])
        assert time.monotonic() - began < 1.5
        await asyncio.sleep(0.3)
    assert running.cancelled() and ear.bytes == before
    kinds = [r.WhichOneof("message") for r in service.seen]
    assert "interrupt" in kinds and "played" not in kinds


async def test_ctrl_c_after_the_last_word_was_sent_does_not_wait(gateway: tuple[Scripted, str], ear: Ear) -> None:
    _, address = gateway
    talk, shown = _talk(address, "two clauses")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(talk.run(0))
        async with asyncio.timeout(10):
            while talk.heard.ended is None:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled() and time.monotonic() - began < 1
    assert ear.bytes < 2 * RATE_HZ * 2 and shown
