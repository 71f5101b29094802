"""`parlance replay turn`, `synth` and `record`: a past turn again, and files of questions for load runs."""

import runpy
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from parlance import config
from parlance.cli_ask import Json, console, print_json, run_async
from parlance.cli_offline import Offline
from parlance.errors import InvalidRequest
from parlance.privacy import Keys, Sealing

replay_app = typer.Typer(help="Run the past again: one turn, or the load of many.", no_args_is_help=True)
Out = Annotated[Path, typer.Option("--out", help="The file to write.")]


@replay_app.command("turn")
def replay_turn(
    turn_id: Annotated[str, typer.Argument(help="The turn's id, or the first characters of it.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every event byte for byte; 1 where one differs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a past turn again from its record, in a fresh home."""
    sys.argv = ["services", "replay", turn_id, *(["--verify"] if verify else []), *(["--json"] if as_json else [])]
    runpy.run_module("services", run_name="__main__", alter_sys=True)


@replay_app.command()
def synth(  # noqa: PLR0913 - a command's options
    out: Out,
    turns: Annotated[int, typer.Option("--turns", min=1, help="How many questions.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same file, byte for byte.")],
    rate: Annotated[float, typer.Option("--rate", help="Questions a second, on average.")] = 5.0,
    talkers: Annotated[int, typer.Option("--talkers", help="Sessions; some ask far more than others.")] = 50,
    shape: Annotated[str, typer.Option("--shape", help="flat, or day: the file is one day made short.")] = "flat",
    interruptions: Annotated[float, typer.Option("--interruptions", help="Share of turns that are cut.")] = 0.05,
    arrivals: Annotated[
        str, typer.Option("--arrivals", help="poisson (by chance), even (a clock's), or bursts (many at once).")
    ] = "poisson",
    long: Annotated[float, typer.Option("--long", help="Share of open questions told at length, to 80 words.")] = 0.0,
    languages: Annotated[
        str, typer.Option("--languages", help="Of the questions, with shares: en:0.8,de:0.2 (en, de, es, fr).")
    ] = "en",
    as_json: Json = False,
) -> None:
    """Make a file of questions that nobody asked, for 'parlance replay run'."""
    from parlance import load_file, load_synth

    wanted = load_synth.Wanted(
        *(turns, seed, rate, talkers, shape, interruptions), arrivals=arrivals, long=long, languages=languages
    )
    made = load_file.write(out, load_synth.synth(wanted), wanted.origin, None)
    _tell(out, made, as_json)


@replay_app.command()
def record(  # noqa: PLR0913 - a command's options
    out: Out,
    since: Annotated[str, typer.Option("--from", help="From this time on, such as 2026-11-28T14:00.")] = "",
    until: Annotated[str, typer.Option("--to", help="Before this time.")] = "",
    session: Annotated[str, typer.Option("--session", help="One session: its id or the first characters.")] = "",
    query: Annotated[
        str, typer.Option("--query", help="What you asked yourself and has these words, or words that begin so.")
    ] = "",
    plain: Annotated[
        bool, typer.Option("--plain", help="Readable for everybody, not encrypted for this home.")
    ] = False,
    recipient: Annotated[
        str, typer.Option("--for", metavar="KEY", help="For somebody else, who alone can read it: their 'replay key'.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write what was asked here, and when, to a file for 'parlance replay run'. Sessions get other names."""
    from parlance import load_record
    from parlance.load_recipient import Owner, Recipient

    if plain and recipient:
        raise InvalidRequest("--plain is for everybody, --for KEY for one: leave one of them out")
    settings = config.load()
    wanted = load_record.Wanted(_us(since, 0), _us(until, 1 << 62), session, query, settings.user_id if query else "")
    owner = Recipient.of(recipient) if recipient else None if plain else Owner(settings.keys, settings.user_id)
    made, found = run_async(_record(out, settings, wanted, owner))
    _tell(out, made, as_json, unreadable=found.unreadable, silent=found.silent)


@replay_app.command()
def key(as_json: Json = False) -> None:
    """Print your public key, for whoever records a file for you: 'parlance replay record --for KEY'."""
    from parlance import load_recipient

    settings = config.load()
    own = load_recipient.own(load_recipient.Owner(settings.keys, settings.user_id))
    if as_json:
        print_json({"key": own.told, "id": own.id})
    else:
        print(own.told)


async def _record(out: Path, settings: config.Config, wanted: Any, owner: Any) -> tuple[Any, Any]:
    from parlance import load_file, load_record

    async with Offline(settings).open() as bus:
        found = await load_record.record(bus, Sealing(Keys(settings.keys)), wanted)
    return load_file.write(out, found.turns, "record", owner), found


def _us(time: str, default: int) -> int:
    """A time as people write it, local where it does not say, in microseconds since 1970."""
    if not time:
        return default
    try:
        return int(datetime.fromisoformat(time).astimezone().timestamp() * 1e6)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(f"'{time}' is no time: write 2026-11-28T14:00, or 2026-11-28T14:00+01:00") from exc


def _tell(out: Path, made: Any, as_json: bool, **more: int) -> None:
    head = made.head
    told = {
        "file": str(out),
        "sha256": made.digest,
        "turns": head.turns,
        "sessions": head.sessions,
        "length_s": round(head.length_us / 1e6, 3),
        "encrypted": bool(head.key_id),
        **more,
    }
    if as_json:
        print_json(told)
        return
    how = f"encrypted, for the key {head.key_id}" if head.key_id else "readable for everybody"
    line = f"{out}: {head.turns} turns of {head.sessions} sessions in {told['length_s']} s, {how}"
    left_out = ", ".join(f"{count} {name}" for name, count in more.items() if count)
    console.print(line + (f"; left out: {left_out}" if left_out else ""), markup=False, soft_wrap=True)
