"""`parlance routes`: who answers for which stage, and letting somebody else answer."""

import difflib
from typing import Annotated

import typer

from parlance import cli_show
from parlance.cli_ask import Json, anywhere, console, from_running, print_json, run_async
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import ListRoutesRequest, SetRouteRequest

# One whole route for each provider that comes with Parlance, and who that is.
EXAMPLES = {
    "llm": {
        "compatible:MODEL --set base_url=http://127.0.0.1:8000/v1": "any OpenAI-compatible server",
        "anthropic:claude-haiku-5-5 --set api_key_env=ANTHROPIC_API_KEY": "Claude",
        "google:gemini-3.8-flash --set api_key_env=GEMINI_API_KEY": "Gemini",
        "scripted:echo": "says the question back; for tests",
        "unconfigured:": "none: says how to connect one",
    },
    "speech": {
        "whisper:tiny.en": "English, on this machine",
        "scripted: --set text='what time is it'": "hears this in everything; for tests",
    },
    "tts": {
        "hibari:": "natural, on this machine",
        "flite:rms": "robotic, quick; needs the package flite",
        "tone:": "no words; for tests",
    },
}
_COMMAND = "parlance routes set"

routes_app = typer.Typer(help="Which provider answers for which stage.", invoke_without_command=True)


def examples(*stages: str, target: str = "") -> str:
    """A command per line for every provider of these stages; only for that of `target`, where it is one of them."""
    name = target.partition(":")[0]
    all_of = [(s, route, told) for s in stages for route, told in EXAMPLES[s].items()]
    wanted = [e for e in all_of if e[1].partition(":")[0] == name] or all_of
    return "\n".join(f"  {_COMMAND} {stage} {route}  # {told}" for stage, route, told in wanted)


@routes_app.callback()
def routes(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the routes in force."""
    if ctx.invoked_subcommand is None:
        found = run_async(anywhere("ListRoutes", ListRoutesRequest())).routes
        if as_json:
            print_json([cli_show.route_json(r) for r in found])
        else:
            console.print(cli_show.routes_table(found))


@routes_app.command("set", epilog=f"\b\nFor example:\n{examples(*EXAMPLES)}\n\n")
def set_route(
    stage: Annotated[str, typer.Argument(help="llm, speech or tts", show_default=False)] = "",
    target: Annotated[str, typer.Argument(help="PROVIDER:MODEL, such as flite:rms", show_default=False)] = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the provider; may be given several times."),
    ] = None,
) -> None:
    """Let another provider answer, from the next clause on."""
    _check_stage(stage)
    if not target:
        raise InvalidRequest(f"say which provider answers for {stage}:\n{examples(stage)}")
    route = RouteSet(stage=stage, target=target, settings=dict(_pair(s) for s in setting or []))
    try:
        made = run_async(from_running("SetRoute", SetRouteRequest(route=route))).route
    except InvalidRequest as exc:
        raise InvalidRequest(f"{exc.message}\n{examples(stage, target=target)}") from exc
    console.print(f"{made.stage} is now {made.target} ({made.version})", markup=False, soft_wrap=True)


def _check_stage(stage: str) -> None:
    """Raises InvalidRequest where no route of this stage can be set."""
    if stage in EXAMPLES:
        return
    near = difflib.get_close_matches(stage.lower(), EXAMPLES, 1, 0.5)
    if near:
        raise InvalidRequest(f"there is no stage '{stage}'; did you mean '{near[0]}'?\n{examples(near[0])}")
    told = f"no route can be set for '{stage}'; say" if stage else "say"
    raise InvalidRequest(f"{told} which stage ({', '.join(EXAMPLES)}) and who answers for it:\n{examples(*EXAMPLES)}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidRequest(f"a setting is NAME=VALUE, such as base_url=http://127.0.0.1:8000/v1, not '{text}'")
    return name, value
