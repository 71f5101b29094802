"""What is read from the rows of a run, and result files."""

import json
from pathlib import Path
from typing import Any

import pytest

from parlance import load_result
from parlance.errors import InvalidRequest
from parlance.load_job import Row
from parlance.load_result import Result, figures

PLAN: dict[str, Any] = {"run": "run-1", "turns": 4, "speed": 2.0, "sound": False, "file": {"name": "a", "sha256": "s"}}
ROWS = [
    Row(0, 0.0, 0.0, 0.5, 2.0, 10.0, 12.0, "answered", ""),
    Row(1, 100.0, 300.0, 301.0, 305.0, 310.0, 312.0, "failed", "no model"),
    Row(2, 200.0, 200.0, 200.2, 201.0, None, 204.0, "cancelled", ""),
    Row(3, 1200.0, 1200.0, None, None, None, None, "error", "gone"),
]


def _result() -> Result:
    return Result(
        PLAN, list(ROWS), [{"at_s": 1.0, "busy": 0.5, "load": 1.0}], took_s=2.0, sender_cpu_s=0.1, stretches=1
    )


def test_latency_counts_from_the_intended_moment_and_the_senders_own_error_from_when_it_could_send() -> None:
    told = _result().as_json()
    assert told["counts"] == {
        "turns": 4,
        "answered": 1,
        "failed": 1,
        "refused": 0,
        "cancelled": 1,
        "lost": 0,
        "error": 1,
    }
    assert told["errors"] == {"no model": 1, "gone": 1}
    assert told["latency_ms"]["first"]["max"] == 210.0 and told["latency_ms"]["first"]["count"] == 2
    assert told["latency_ms"]["ended"]["max"] == 212.0 and told["latency_ms"]["ended"]["count"] == 3
    assert told["held_up_ms"]["max"] == 200.0
    assert (told["send_error_ms"]["count"], told["send_error_ms"]["max"]) == (3, 1.0)
    assert told["throughput_per_s"] == {"ended": 1.5, "peak": 3} and told["complete"]


def test_figures_are_exact_percentiles() -> None:
    told = figures([float(n) for n in range(1, 1001)])
    assert told["count"] == 1000 and told["max"] == 1000.0 and told["mean"] == 500.5
    assert (told["p50"], told["p99"]) == (500.5, 990.01) and figures([]) == {}


def test_a_result_is_kept_and_can_be_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    result = _result()
    result.rows.pop()
    result.save(file)
    found = load_result.load(file)
    assert not found["complete"] and load_result.rows_of(found) == ROWS[:3]
    assert load_result.resumed(found) == result
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "or is cut"),
        ('{"format": "parlance-run", "ver', "or is cut"),
        ("[]", "is no result"),
        (json.dumps({"format": "parlance-run", "version": 2}), "is of version 2"),
        (json.dumps({"format": "parlance-run", "version": 1, "run": "r"}), "is not whole, it has no .*latency_ms"),
    ],
)
def test_what_is_no_result_is_told(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(content)
    with pytest.raises(InvalidRequest, match=told):
        load_result.load(file)


def test_a_place_where_nothing_can_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_result.load(tmp_path / "absent.json")
    with pytest.raises(InvalidRequest, match="cannot be written"):
        _result().save(tmp_path / "absent" / "a.json")
