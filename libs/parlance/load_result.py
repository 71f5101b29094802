"""What a run has measured: rows of turns, and what is read from them. The result file is one JSON document."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parlance.errors import InvalidRequest
from parlance.load_job import Row
from parlance.load_lag import Behind
from parlance.load_machine import Sample
from parlance.load_saturation import saturation

FORMAT, VERSION = "parlance-run", 1
OUTCOMES = ("answered", "failed", "refused", "cancelled", "lost", "error")
# What results from before these were there do not have.
_LATER = {"saturation", "stages", "lag", "began"}
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


@dataclass(slots=True)
class Result:
    """`facts`: what was run and how (run, file, speed, processes, ...). Times of rows and samples are those of the
    whole run; one that is resumed goes on where it was stopped."""

    facts: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    machine: list[Sample] = field(default_factory=list)
    took_s: float = 0.0
    sender_cpu_s: float = 0.0
    stretches: int = 0
    # load_lag.py and load_stages.py say what these hold; empty where nobody could tell.
    lag: list[Behind] = field(default_factory=list)
    stages: dict[str, Any] = field(default_factory=dict)
    began: list[list[float]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.rows) >= int(self.facts["turns"])

    def as_json(self) -> dict[str, Any]:
        counts = Counter(row.outcome for row in self.rows)
        seconds = max(self.took_s, 1e-6)
        return {
            "format": FORMAT,
            "version": VERSION,
            "run": self.facts["run"],
            "plan": self.facts,
            "complete": self.complete,
            "stretches": self.stretches,
            "took_s": round(self.took_s, 3),
            "counts": {"turns": len(self.rows), **{name: counts[name] for name in OUTCOMES}},
            "errors": dict(Counter(row.error for row in self.rows if row.error).most_common(20)),
            "latency_ms": {name: figures(latencies(self.rows, name)) for name in ("accepted", "first", "ended")},
            "held_up_ms": figures([row.free - row.due for row in self.rows]),
            "send_error_ms": figures([row.sent - row.free for row in self.rows if row.sent is not None]),
            "throughput_per_s": {
                "ended": round(sum(row.ended is not None for row in self.rows) / seconds, 2),
                "peak": _peak(self.rows),
            },
            "sender_cpu_s": round(self.sender_cpu_s, 3),
            "saturation": saturation(self.rows),
            "stages": self.stages,
            "lag": self.lag,
            "began": self.began,
            "machine": self.machine,
            "turns_fields": list(Row._fields),
            "turn_rows": self.rows,
        }

    def save(self, path: Path) -> None:
        """In place of what is there. Raises InvalidRequest where it cannot be written."""
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_text(json.dumps(self.as_json(), ensure_ascii=False) + "\n")
            os.replace(part, path)
        except OSError as exc:
            raise InvalidRequest(f"{path} cannot be written: {exc.strerror}") from exc


def latencies(rows: Iterable[Row], what: str) -> list[float]:
    """From the intended moment to "accepted", "first" or "ended"; of cancelled turns only where it came before."""
    return [at - row.due for row in rows if (at := getattr(row, what)) is not None and row.outcome != "error"]


def figures(values: Sequence[float]) -> dict[str, float]:
    """Exact percentiles, milliseconds; {} of nothing."""
    if not values:
        return {}
    points = np.percentile(np.asarray(values), PERCENTILES)
    named = {f"p{name:g}": round(float(at), 3) for name, at in zip(PERCENTILES, points, strict=True)}
    return {"count": len(values), "mean": round(float(np.mean(values)), 3), **named, "max": round(max(values), 3)}


def load(path: Path) -> dict[str, Any]:
    """The document of a result file. Raises InvalidRequest where it is none, of a newer version, or not whole."""
    try:
        found = json.loads(path.read_text())
    except OSError as exc:
        raise InvalidRequest(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise InvalidRequest(f"{path} is no result of 'parlance replay run', or is cut") from exc
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InvalidRequest(f"{path} is no result of 'parlance replay run'")
    if found.get("version", 0) > VERSION:
        raise InvalidRequest(
            f"{path} is of version {found['version']}, and this Parlance reads up to {VERSION}: update it"
        )
    if missing := sorted(_empty().keys() - found.keys() - _LATER):
        raise InvalidRequest(f"{path} is not whole, it has no {', '.join(missing)}: run it again with --report")
    return found


def _empty() -> dict[str, Any]:
    return Result({"run": "", "turns": 0}).as_json()


def rows_of(document: dict[str, Any]) -> list[Row]:
    return [Row(*row) for row in document["turn_rows"]]


def _peak(rows: Iterable[Row]) -> int:
    """The most ends in one second."""
    seconds = Counter(int(row.ended // 1000) for row in rows if row.ended is not None)
    return max(seconds.values(), default=0)


def resumed(document: dict[str, Any]) -> Result:
    """The result to go on with."""
    return Result(
        facts=document["plan"],
        rows=rows_of(document),
        machine=document["machine"],
        took_s=document["took_s"],
        sender_cpu_s=document["sender_cpu_s"],
        stretches=document["stretches"],
        lag=document.get("lag", []),
        began=document.get("began", []),
    )


def without_rows(document: dict[str, Any]) -> dict[str, Any]:
    """What fits a screen."""
    long = ("turn_rows", "turns_fields", "machine", "lag")
    return {name: value for name, value in document.items() if name not in long}
