"""`parlance replay report` and `compare`: what load runs have measured, to look at."""

from pathlib import Path
from typing import Annotated

import typer

from parlance.cli_ask import Json, console, print_json
from parlance.errors import InvalidRequest

Result = Annotated[Path, typer.Argument(help="A result of 'parlance replay run --report'.")]


def report(
    result: Result,
    html: Annotated[Path | None, typer.Option("--html", help="Write one HTML file that needs no network.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a load run has measured."""
    from parlance import load_report, load_result, load_show

    told = load_result.load(result)
    if html is not None:
        try:
            html.write_text(load_report.html(told), encoding="utf-8")
        except OSError as exc:
            raise InvalidRequest(f"{html} cannot be written: {exc.strerror}") from exc
    if as_json:
        print_json(load_result.without_rows(told))
    else:
        console.print(load_show.result_table(told))


def compare(a: Result, b: Result, as_json: Json = False) -> None:
    """Show two load runs beside each other."""
    from parlance import load_result, load_show

    first, second = load_result.load(a), load_result.load(b)
    if as_json:
        print_json({"a": first["run"], "b": second["run"], "differences": load_show.differences(first, second)})
    else:
        console.print(load_show.compare_table(first, second))
