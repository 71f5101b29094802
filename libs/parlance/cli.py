"""The command line, `parlance`. Exit codes: 0 answered (or done), 1 the turn ended otherwise, 2 bad input or usage,
3 nothing is running."""

import runpy
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from parlance import cli_replay_run, cli_replay_show, cli_show, cli_sound, config, tls
from parlance.cli_ask import Json, anywhere, console, errors, print_json, run_async
from parlance.cli_egress import egress
from parlance.cli_llm import llm_app
from parlance.cli_more import dlq_app, import_app
from parlance.cli_replay import replay_app
from parlance.cli_routes import routes_app
from parlance.cli_stats import stats
from parlance.cli_talk import NotRunning, Talk
from parlance.cli_topics import topics_app
from parlance.cli_usage import usage
from parlance.errors import InvalidRequest, ParlanceError, Unavailable, unexpected
from parlance.v1.gateway_service_pb2 import GetTurnRequest, ListTurnsRequest
from parlance.v1.reply_pb2 import Outcome

app = typer.Typer(
    name="parlance",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Stay = Annotated[
    float,
    typer.Option("--stay", min=0, metavar="SECONDS", help="Keep listening this long for what is said unasked."),
]
Aloud = Annotated[
    bool | None,
    typer.Option("--play/--no-play", help="Play the reply as it arrives; say does, but for --out and --json."),
]
ToFile = Annotated[Path | None, typer.Option("--out", help="Write the reply's sound to this WAV file.")]
app.add_typer(routes_app, name="routes")
app.add_typer(llm_app, name="llm")
app.add_typer(import_app, name="import")
app.add_typer(dlq_app, name="dlq")
app.add_typer(replay_app, name="replay")
for command in (cli_replay_run.run, cli_replay_show.report, cli_replay_show.compare):
    replay_app.command()(command)
app.add_typer(topics_app, name="topics")


def main() -> None:
    """The entry point: our errors become one line and an exit code."""
    try:
        app()
    except NotRunning as exc:
        _fail(exc.message, 3)
    except InvalidRequest as exc:
        _fail(exc.message, 2)
    except ParlanceError as exc:
        _fail(exc.message or type(exc).__name__, 1)
    except UnicodeEncodeError:
        _fail("what was typed is no valid UTF-8 text", 2)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except Exception as exc:
        if config.wants_details():
            raise
        _fail(unexpected(exc), 1)


def _fail(message: str, code: int) -> None:
    errors.print(f"parlance: {message}", markup=False, soft_wrap=True)
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"parlance {metadata.version('parlance-voice')}")
        raise typer.Exit


@app.callback()
def parlance(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A self-hosted voice assistant. Start it with 'parlance run', then talk to it."""


@app.command()
def run() -> None:
    """Start every service in this process. Ctrl-C ends it."""
    sys.argv = ["services"]
    runpy.run_module("services", run_name="__main__", alter_sys=True)


@app.command()
def say(
    file: Annotated[Path, typer.Argument(help="A WAV, FLAC or OGG file of any rate.")],
    out: ToFile = None,
    stay: Stay = 0,
    play: Aloud = None,
    as_json: Json = False,
) -> None:
    """Speak a recording to the assistant and hear its answer."""
    talk = _talk(as_json, stay, play=out is None and not as_json if play is None else play)
    talk.send_file(file)
    _finish(talk, stay, out, as_json)


@app.command()
def ask(
    text: Annotated[list[str], typer.Argument(help="What you would have said; quotes are not needed.")],
    out: ToFile = None,
    stay: Stay = 0,
    play: Aloud = None,
    as_json: Json = False,
) -> None:
    """Type a question to the assistant."""
    talk = _talk(as_json, stay, play=bool(play))
    talk.send_text(" ".join(text))
    _finish(talk, stay, out, as_json)


def _talk(as_json: bool, stay: float, play: bool) -> Talk:
    show = cli_show.silent if as_json else cli_show.line
    settings = config.load()
    talk = Talk(settings.gateways, show, stays=stay > 0, play=play)
    talk.device_id = settings.device
    talk.credentials = tls.own(settings.tls, tls.OPERATOR)
    return talk


def _finish(talk: Talk, stay: float, out: Path | None, as_json: bool) -> None:
    if out is not None:
        cli_sound.check(out)
    heard = run_async(talk.run(stay))
    if out is not None:
        heard.sound.save(out)
    if heard.ended is None:
        raise Unavailable("the conversation ended without an answer; see 'parlance turns'")
    if as_json:
        print_json(talk.as_json())
    if heard.ended.outcome != Outcome.OUTCOME_ANSWERED:
        raise typer.Exit(1)


@app.command()
def turns(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """What was asked and how it ended, newest first. Works without a running platform too."""
    found = run_async(anywhere("ListTurns", ListTurnsRequest(limit=limit))).turns
    if as_json:
        print_json([cli_show.turn_json(t) for t in found])
    else:
        console.print(cli_show.turns_table(found))


@app.command()
def turn(
    turn_id: Annotated[str, typer.Argument(help="The turn's id, or the first characters of it.")], as_json: Json = False
) -> None:
    """One turn with every stage: when, who, which route, caused by what."""
    told = run_async(anywhere("GetTurn", GetTurnRequest(turn_id=turn_id)))
    if as_json:
        print_json(cli_show.waterfall_json(told))
    else:
        console.print(cli_show.waterfall(told))


for shown in (stats, usage, egress):
    app.command()(shown)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine: what is here, what is missing, what to do."""
    from parlance.cli_doctor import examine

    findings = run_async(examine(config.load()))
    if as_json:
        print_json([f.as_json() for f in findings])
    else:
        console.print(cli_show.findings_table(findings))
    if any(f.state == "bad" for f in findings):
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
