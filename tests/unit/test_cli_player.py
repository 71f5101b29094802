"""The reply's sound at the command line, over programs that the test puts on the PATH."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from parlance.cli_player import PROGRAMS, Player

# Notes its process, its arguments and, as it comes, its input; then plays for as long as the test says.
_PROGRAM = f"""#!{sys.executable}
import os, sys, time
from pathlib import Path
here = Path(__file__).parent
(here / "pid").write_text(str(os.getpid()))
with (here / "words").open("a") as words:
    words.write(" ".join([Path(__file__).name, *sys.argv[1:]]) + "\\n")
with (here / "heard").open("ab", buffering=0) as heard:
    while piece := os.read(0, 65536):
        heard.write(piece)
    time.sleep(LASTS)
    heard.write(b".")
    sys.exit(CODE)
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, program: str = "aplay", lasts_s: float = 0, code: int = 0) -> None:
        path = self.folder / program
        path.write_text(_PROGRAM.replace("LASTS", str(lasts_s)).replace("CODE", str(code)))
        path.chmod(0o755)

    def text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)

    @property
    def runs(self) -> bool:
        try:
            os.kill(int(self.text("pid")), 0)
        except ProcessLookupError:
            return False
        return True


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Machine(tmp_path)


@pytest.fixture
async def player() -> AsyncIterator[Player]:
    made = Player()
    yield made
    await made.close()


async def test_a_piece_sounds_before_the_next_one_is_there(machine: Machine, player: Player) -> None:
    machine.has(lasts_s=0.3)
    await player.feed(b"first", 16000)
    await machine.until(lambda: machine.text("heard") == "first")
    await player.feed(b"second", 16000)
    await machine.until(lambda: machine.text("heard") == "firstsecond")
    assert await player.finish()
    assert machine.text("heard") == "firstsecond.", "it ended before it had sounded"


@pytest.mark.parametrize("program", PROGRAMS)
async def test_every_program_is_told_the_rate(machine: Machine, player: Player, program: str) -> None:
    machine.has(program)
    await player.feed(b"sound", 24000)
    assert await player.finish()
    assert machine.text("heard") == "sound."
    assert machine.text("words").split()[0] == program and "24000" in machine.text("words")


async def test_a_cut_is_silence_at_once_and_the_next_reply_sounds(machine: Machine, player: Player) -> None:
    machine.has(lasts_s=30)
    await player.feed(b"one", 16000)
    await machine.until(lambda: machine.text("heard") == "one")
    finishing = asyncio.gather(player.finish())
    await asyncio.sleep(0.05)
    began = time.monotonic()
    player.cut()
    assert await finishing == [False]
    assert time.monotonic() - began < 1 and not machine.runs
    machine.has(lasts_s=0)
    await player.feed(b"two", 16000)
    assert await player.finish()
    assert machine.text("heard") == "onetwo."


async def test_two_replies_sound_one_after_the_other(machine: Machine, player: Player) -> None:
    machine.has(lasts_s=0.3)
    await player.feed(b"one", 16000)
    finishing = asyncio.gather(player.finish())
    await asyncio.sleep(0)
    await player.feed(b"two", 16000)
    assert await finishing == [True]
    assert await player.finish()
    assert machine.text("heard") == "one.two."


async def test_what_comes_after_the_stop_is_not_played(machine: Machine, player: Player) -> None:
    machine.has(lasts_s=30)
    await player.feed(b"one", 16000)
    await machine.until(lambda: machine.text("heard") == "one")
    player.stop()
    await player.feed(b"two", 16000)
    assert await player.finish()
    await player.close()
    assert machine.text("heard") == "one" and not machine.runs


async def test_without_a_player_it_is_said_which_would_do(machine: Machine, player: Player) -> None:
    await player.feed(b"sound", 16000)
    assert await player.finish()
    assert all(name in player.trouble for name in (*PROGRAMS, "--out"))


async def test_a_player_that_fails_is_told_once_and_left_alone(machine: Machine, player: Player) -> None:
    machine.has(code=1)
    for _ in range(2):
        await player.feed(b"sound", 16000)
        assert await player.finish()
    assert "aplay could not play it" in player.trouble and machine.text("words").count("\n") == 1


async def test_a_player_that_is_gone_in_the_middle_of_a_reply_does_no_harm(
    machine: Machine, player: Player, caplog: pytest.LogCaptureFixture
) -> None:
    machine.has()
    await player.feed(b"one", 16000)
    await machine.until(lambda: machine.text("heard") == "one")
    os.kill(int(machine.text("pid")), 9)
    for _ in range(20):
        await player.feed(bytes(200_000), 16000)
        await asyncio.sleep(0.01)
    assert await player.finish()
    assert "aplay could not play it" in player.trouble and not caplog.records
