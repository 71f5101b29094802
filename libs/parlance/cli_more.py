"""`parlance import` and `dlq`: commands beside the everyday ones."""

from pathlib import Path
from typing import Annotated

import typer

from parlance import cli_show, config
from parlance.cli_ask import Json, console, from_running, print_json, run_async
from parlance.cli_offline import Offline
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import ImportRequest, ListRoutesRequest

import_app = typer.Typer(help="Contacts (vCard) or a calendar (iCalendar) into your index.", no_args_is_help=True)
dlq_app = typer.Typer(help="Dead letters: events that a stage could not handle.", invoke_without_command=True)


def _import(kind: str, file: Path, as_json: bool) -> None:
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"{file} cannot be read: {exc.strerror}") from exc
    request = ImportRequest(kind=kind, content=content, source=file.name)
    done = run_async(from_running("Import", request))
    if as_json:
        print_json(cli_show.import_json(done))
        return
    console.print(f"{kind}: {done.added} added, {done.updated} updated, {done.skipped} skipped")
    for problem in done.problems:
        console.print(f"  {problem}", markup=False)


@import_app.command()
def contacts(file: Path, as_json: Json = False) -> None:
    """Import a vCard file."""
    _import("contacts", file, as_json)


@import_app.command()
def calendar(file: Path, as_json: Json = False) -> None:
    """Import an iCalendar file."""
    _import("calendar", file, as_json)


@dlq_app.callback()
def dlq(ctx: typer.Context, as_json: Json = False) -> None:
    """List dead letters, newest first."""
    if ctx.invoked_subcommand is None:
        letters = run_async(Offline(config.load()).letters())
        if as_json:
            print_json([cli_show.letter_json(at, letter) for at, letter in letters])
        else:
            console.print(cli_show.letters_table(letters))


@dlq_app.command("replay")
def dlq_replay(letter: Annotated[str, typer.Argument(help="STAGE/OFFSET, as 'parlance dlq' shows it.")]) -> None:
    """Let its stage handle a dead letter again. What belongs to a turn that has ended is only kept to be read."""
    run_async(from_running("ListRoutes", ListRoutesRequest()))
    told = run_async(Offline(config.load()).replay_letter(letter))
    console.print(told, markup=False)
