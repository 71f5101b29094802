"""What `parlance replay` refuses before anything is sent or written over."""

from pathlib import Path
from typing import Any

import pytest

from parlance.cli_replay import _us
from parlance.cli_replay_run import _result, _speed
from parlance.errors import InvalidRequest
from parlance.load_job import Row
from parlance.load_result import Result

ROW = Row(0, 0.0, 0.0, 0.1, 1.0, 2.0, 3.0, "answered", "")


def _facts(**changed: Any) -> dict[str, Any]:
    known = {"run": "run-1", "turns": 2, "speed": 5.0, "sound": False, "file": {"name": "a.replay", "sha256": "s"}}
    return {**known, **changed}


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    report = tmp_path / "a.json"
    Result(_facts(), [ROW], took_s=1.0, stretches=1).save(report)
    return report


def test_a_run_goes_on_as_it_began(stopped: Path) -> None:
    found = _result(_facts(run="run-2"), stopped, resume=True)
    assert (found.facts["run"], found.rows, found.stretches) == ("run-1", [ROW], 1)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"file": {"name": "b.replay", "sha256": "other"}}, r"of another file \(a.replay\)"),
        ({"speed": "max"}, "with speed 5.0, not max"),
        ({"turns": 1}, "with turns 2, not 1"),
        ({"sound": True}, "with sound False, not True"),
    ],
)
def test_another_run_does_not_go_on_with_it(stopped: Path, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        _result(_facts(**changed), stopped, resume=True)


def test_nothing_that_was_measured_and_no_file_of_others_is_written_over(stopped: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="--resume goes on with it"):
        _result(_facts(), stopped, resume=False)
    letter = tmp_path / "letter.txt"
    letter.write_text("dear Anna")
    with pytest.raises(InvalidRequest, match="is no result"):
        _result(_facts(), letter, resume=False)
    Result(_facts(turns=1), [ROW], took_s=1.0, stretches=1).save(stopped)
    assert _result(_facts(), stopped, resume=False).rows == []


@pytest.mark.parametrize("said", ["0", "0.5", "101", "-1", "nan", "fast", ""])
def test_a_speed_that_makes_no_sense_is_told(said: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 100, or max"):
        _speed(said)


def test_speeds_and_times_are_read_as_people_write_them() -> None:
    assert (_speed("2.5"), _speed("max")) == (2.5, None)
    assert _us("2026-11-28T14:00+01:00", 0) == _us("2026-11-28T13:00:00Z", 0) == 1_795_870_800_000_000
    assert _us("", 7) == 7
