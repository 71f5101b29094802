"""Tasks, what is right for them, and whether a call is right: by its tree, as the leaderboard judges."""

import json
import os
from pathlib import Path
from typing import Any

# [(name, arguments)]
Calls = list[tuple[str, dict[str, Any]]]


def tasks() -> list[dict[str, Any]]:
    """The sample; all of them where PARLANCE_BFCL names the file that convert.py made."""
    file = Path(os.environ.get("PARLANCE_BFCL") or Path(__file__).with_name("tasks.jsonl"))
    return [json.loads(line) for line in file.read_text().splitlines()]


def right_calls(task: dict[str, Any]) -> Calls:
    """The first of what is right, for each."""
    return [(name, _first(told)) for call in task["calls"] for name, told in call.items()]


def matches(task: dict[str, Any], calls: Calls) -> bool:
    """Each call is one of those wanted, in any order, and none is missing."""
    wanted = [(name, told) for call in task["calls"] for name, told in call.items()]
    for name, arguments in calls:
        found = next((w for w in wanted if w[0] == name and _object(arguments, w[1])), None)
        if found is None:
            return False
        wanted.remove(found)
    return not wanted


def _first(told: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: _plain(values[0]) for name, values in told.items() if values and values[0] != ""}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _first(value)
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _object(found: dict[str, Any], told: dict[str, list[Any]]) -> bool:
    if found.keys() - told.keys():
        return False
    return all(_one_of(found[name], values) if name in found else "" in values for name, values in told.items())


def _one_of(found: Any, values: list[Any]) -> bool:
    return any(_same(found, value) for value in values)


def _same(found: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(found, dict) and _object(found, value)
    if isinstance(value, list):
        same = isinstance(found, list) and len(found) == len(value)
        return same and all(map(_same, found, value))
    return type(found) is type(value) and bool(found == value)
