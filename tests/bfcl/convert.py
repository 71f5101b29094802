"""Makes tasks.jsonl of the Berkeley Function Calling Leaderboard's own files.

    python -m tests.bfcl.convert FOLDER OUT [--tasks 50]

FOLDER holds BFCL_v4_{simple_python,multiple,parallel,irrelevance}.json and possible_answer/ beside them, as the package
bfcl-eval brings them. Without --tasks all of them are written. A task is a line
    {"id": "...", "question": "...", "tools": [{"name", "description", "parameters": JSON Schema}],
     "calls": [{"name": {"parameter": [what is right, ...]}}]}
where "" among what is right says that the parameter may be left out. What is changed: types that JSON Schema does not
have become those that it has, and a keyword that it does not know ("optional") is left out.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SETS = ("simple_python", "multiple", "parallel", "irrelevance")
_TYPES = {"dict": "object", "float": "number", "tuple": "array"}


def tasks(folder: Path, of: str) -> Iterator[dict[str, Any]]:
    """All of one set."""
    answers = folder / "possible_answer" / f"BFCL_v4_{of}.json"
    right = {row["id"]: row["ground_truth"] for row in _rows(answers)} if answers.exists() else {}
    for row in _rows(folder / f"BFCL_v4_{of}.json"):
        ((message,),) = row["question"]
        tools = [{**f, "parameters": _schema(f["parameters"])} for f in row["function"]]
        yield {"id": row["id"], "question": message["content"], "tools": tools, "calls": right.get(row["id"], [])}


def sample(found: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """n of them, spread evenly."""
    return [found[i * len(found) // n] for i in range(n)]


def _schema(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    made = {key: _within(key, value) for key, value in found.items() if key != "optional"}
    kind = made.get("type")
    if kind == "any":
        del made["type"]
    elif isinstance(kind, str):
        made["type"] = _TYPES.get(kind, kind)
    return made


def _within(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _schema(of) for name, of in value.items()}
    return _schema(value) if key in ("items", "additionalProperties") else value


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", type=int, default=0, help="how many, evenly of all sets")
    told = parser.parse_args()
    found = [list(tasks(told.folder, of)) for of in SETS]
    if told.tasks:
        share = [told.tasks * (n + 1) // len(SETS) - told.tasks * n // len(SETS) for n in range(len(SETS))]
        found = [sample(*pair) for pair in zip(found, share, strict=True)]
    lines = [json.dumps(task, ensure_ascii=False) for of in found for task in of]
    told.out.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} tasks")


if __name__ == "__main__":
    main()
