"""The command line, `parlance`. Exit codes: 0 answered (or done), 1 the turn ended otherwise, 2 bad input or usage,
3 nothing is running."""

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from parlance import cli_show, cli_sound, config
from parlance.cli_ask import Json, anywhere, console, errors, from_running, print_json, run_async
from parlance.cli_more import dlq_app, import_app, replay_app
from parlance.cli_talk import NotRunning, Talk
from parlance.errors import InvalidRequest, ParlanceError, Unavailable, unexpected
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import GetTurnRequest, ListRoutesRequest, ListTurnsRequest, SetRouteRequest
from parlance.v1.reply_pb2 import Outcome

app = typer.Typer(
    name="parlance",
    help="A self-hosted voice assistant. Start it with 'parlance run', then talk to it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Stay = Annotated[
    float, typer.Option("--stay", min=0, help="Keep listening this many seconds for what is said unasked.")
]
ToFile = Annotated[Path | None, typer.Option("--out", help="Write the reply's sound to this WAV file.")]
routes_app = typer.Typer(help="Which provider answers for which stage.", invoke_without_command=True)
app.add_typer(routes_app, name="routes")
app.add_typer(import_app, name="import")
app.add_typer(dlq_app, name="dlq")
app.add_typer(replay_app, name="replay")


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
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except Exception as exc:
        if config.wants_details():
            raise
        _fail(unexpected(exc), 1)


def _fail(message: str, code: int) -> None:
    errors.print(f"parlance: {message}", markup=False, soft_wrap=True)
    sys.exit(code)


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
    as_json: Json = False,
) -> None:
    """Speak a recording to the assistant and hear its answer."""
    talk = _talk(as_json, stay, play=out is None and not as_json)
    talk.send_file(file)
    _finish(talk, stay, out, as_json)


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="What you would have said.")],
    out: ToFile = None,
    stay: Stay = 0,
    as_json: Json = False,
) -> None:
    """Type a question to the assistant."""
    talk = _talk(as_json, stay, play=False)
    talk.send_text(text)
    _finish(talk, stay, out, as_json)


def _talk(as_json: bool, stay: float, play: bool) -> Talk:
    show = cli_show.silent if as_json else cli_show.line
    return Talk(config.load().address, show, stays=stay > 0, play=play)


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


@routes_app.callback()
def routes(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the routes in force."""
    if ctx.invoked_subcommand is None:
        found = run_async(anywhere("ListRoutes", ListRoutesRequest())).routes
        if as_json:
            print_json([cli_show.route_json(r) for r in found])
        else:
            console.print(cli_show.routes_table(found))


_EXAMPLES = {
    "llm": "llm compatible:MODEL --set base_url=http://127.0.0.1:8000/v1",
    "speech": "speech whisper:tiny.en",
    "tts": "tts flite:rms",
}


@routes_app.command("set")
def set_route(
    stage: Annotated[str, typer.Argument(help="llm, speech or tts")],
    target: Annotated[str, typer.Argument(help="provider:model, such as flite:rms")] = "",
    setting: Annotated[list[str] | None, typer.Option("--set", help="name=value, such as base_url=http://...")] = None,
) -> None:
    """Let another provider answer, from the next clause on."""
    if not target:
        raise InvalidRequest(
            f"say which provider answers, such as:\n  parlance routes set {_EXAMPLES.get(stage, 'tts flite:rms')}"
        )
    pairs = dict(_pair(s) for s in setting or [])
    route = RouteSet(stage=stage, target=target, settings=pairs)
    made = run_async(from_running("SetRoute", SetRouteRequest(route=route))).route
    console.print(f"{made.stage} is now {made.target} ({made.version})", markup=False)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidRequest(f"a setting is name=value, not '{text}'")
    return name, value


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
