"""`parlance replay run --objective`: one trial after another, each a run of its own."""

from collections.abc import Callable
from typing import Any

import typer
from rich.table import Table

from parlance import ids
from parlance.cli_ask import console, errors, print_json
from parlance.errors import InvalidRequest


async def find(said: str, facts: dict[str, Any], turns: Any, watch: Any) -> list[Any]:
    """The trials. Raises typer.Exit(130) where Ctrl-C ended it."""
    from parlance.load_objective import Objective, search
    from parlance.load_result import Result

    async def attempt(speed: float, sent: Any, enough: Callable[[Any], bool]) -> Any:
        result = Result({**facts, "run": ids.new(), "speed": speed, "turns": len(sent)})
        await watch.go(result, sent, enough)
        if watch.stopped:
            errors.print("stopped before the highest rate was found")
            raise typer.Exit(130)
        return result

    if not turns:
        raise InvalidRequest("the file has no turns")
    return await search(Objective.of(said), turns, attempt)


def tell(said: str, trials: Any, as_json: bool) -> None:
    """Prints what was found; exit code 1 where not even the file's own speed meets the objective."""
    from parlance.load_objective import best

    found = best(trials)
    if as_json:
        print_json({
            "objective": said,
            "speed": found.speed if found else None,
            "rate_per_s": found.rate if found else None,
            "trials": [t.as_json() for t in trials],
        })  # fmt: skip
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("speed", "turns a second", "turns", "missed", ""):
            table.add_column(name, justify="right")
        for t in trials:
            table.add_row(f"{t.speed:g}", f"{t.rate:g}", str(t.turns), str(t.missed), "met" if t.met else "not met")
        console.print(table)
        reached = f"{found.rate:g} turns a second (speed {found.speed:g})" if found else "at no speed of 1 or more"
        console.print(f"{said}: {reached}", markup=False, soft_wrap=True)
    if found is None:
        raise typer.Exit(1)
