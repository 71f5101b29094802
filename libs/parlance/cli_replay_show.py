"""`parlance replay report` and `compare`: what load runs have measured, to look at."""

from pathlib import Path
from typing import Annotated

import typer

from parlance.cli_ask import Json, console, print_json
from parlance.errors import InvalidRequest

Result = Annotated[Path, typer.Argument(help="A result of 'parlance replay run --report'.")]

Html = Annotated[Path | None, typer.Option("--html", help="Write one HTML file that needs no network.")]


def report(
    result: Result,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Show what a load run has measured."""
    from parlance import load_report, load_result, load_show

    told = load_result.load(result)
    if html is not None:
        _write(html, load_report.html(told))
    if as_json:
        print_json(load_result.without_rows(told))
    else:
        console.print(load_show.result_table(told))


def compare(before: Result, after: Result, html: Html = None, as_json: Json = False) -> None:
    """Show two load runs beside each other."""
    from parlance import load_compare, load_result, load_show

    first, second = load_result.load(before), load_result.load(after)
    if html is not None:
        _write(html, load_compare.html(first, second))
    if as_json:
        print_json({"a": first["run"], "b": second["run"], "differences": load_show.differences(first, second)})
    else:
        console.print(load_show.compare_table(first, second))


def _write(file: Path, html: str) -> None:
    try:
        file.write_text(html, encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(f"{file} cannot be written: {exc.strerror}") from exc
