"""The command line's own manners: what it takes, and how it tells what it does not."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from parlance import cli, cli_doctor
from parlance.cli_heard import Heard
from parlance.v1.gateway_service_pb2 import Ended
from parlance.v1.reply_pb2 import Outcome


class Talk:
    """A conversation that is answered at once, and notes what it was made for."""

    made: "list[Talk]" = []  # noqa: RUF012

    def __init__(self, address: str, show: Any, *, stays: bool, play: bool) -> None:
        self.play, self.text = play, ""
        Talk.made.append(self)

    def send_text(self, text: str) -> None:
        self.text = text

    def send_file(self, path: Path) -> None:
        self.text = path.name

    async def run(self, stay_s: float) -> Heard:
        return Heard(ended=Ended(outcome=Outcome.OUTCOME_ANSWERED))

    def as_json(self) -> dict[str, Any]:
        return {}


@pytest.fixture(autouse=True)
def _talks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "Talk", Talk)
    Talk.made = []


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | None:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["parlance", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_a_question_needs_no_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "ask", "what", "time", "is it") == 0
    assert [talk.text for talk in Talk.made] == ["what time is it"]


@pytest.mark.parametrize(
    ("words", "plays"),
    [
        (("say", "x.wav"), True),
        (("say", "x.wav", "--no-play"), False),
        (("say", "x.wav", "--json"), False),
        (("say", "x.wav", "--out", "reply.wav"), False),
        (("say", "x.wav", "--out", "reply.wav", "--play"), True),
        (("ask", "x"), False),
        (("ask", "x", "--play"), True),
    ],
)
def test_what_is_played(words: tuple[str, ...], plays: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words) == 0
    assert [talk.play for talk in Talk.made] == [plays]


@pytest.mark.parametrize("words", [("turn", "\udcff\udcfe"), ("replay", "turn", "\udcff\udcfe")])
def test_what_is_no_text_is_told_so(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PARLANCE_HOME", str(tmp_path / "home"))
    assert run(monkeypatch, *words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"parlance {metadata.version('parlance-voice')}\n"


@pytest.mark.parametrize("words", [("-h",), ("say", "-h"), ("routes", "set", "-h")])
def test_help_has_a_short_name(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words) == 0
    assert capsys.readouterr().out.startswith("Usage: parlance")


@pytest.mark.parametrize("program", ["play", ""])
def test_the_doctor_tells_whether_replies_can_be_played(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if program:
        (tmp_path / program).touch(0o755)
    found = cli_doctor._player()
    assert (found.state, "install one of" in found.told) == (("good", False) if program else ("warn", True))
