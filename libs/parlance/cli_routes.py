"""`parlance routes`: who answers for which stage, and letting somebody else answer."""

import difflib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from parlance import cli_routes_show, route_table
from parlance.cli_ask import Json, anywhere, console, from_running, print_json, run_async
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import ListRoutesRequest, SetRouteRequest, UndoRouteRequest

# One whole route for each provider that comes with Parlance, and who that is.
EXAMPLES = {
    "llm": {
        "compatible:MODEL --set base_url=http://127.0.0.1:8000/v1": "any OpenAI-compatible server",
        "anthropic:claude-haiku-5-5": "Claude, with the key in ANTHROPIC_API_KEY",
        "openai:gpt-6-luna": "ChatGPT, with the key in OPENAI_API_KEY",
        "google:gemini-3.8-flash": "Gemini, with the key in GEMINI_API_KEY",
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


def _option(name: str, metavar: str, told: str) -> Any:
    return typer.Option(name, metavar=metavar, help=told, show_default=False)


Settings = Annotated[
    list[str] | None, _option("--set", "NAME=VALUE", "A setting of the provider; may be given several times.")
]
Then = Annotated[
    list[str] | None, _option("--then", "TARGET", "llm: who is asked where that one cannot answer; several times.")
]
Share = Annotated[int | None, _option("--share", "PERCENT", "llm: for so many of the users, always the same ones.")]
For = Annotated[str, _option("--for", "web,code", f"llm: only for these: {', '.join(route_table.CAPABILITIES)}.")]
Name = Annotated[str, _option("--name", "RULE", "llm: the rule's name; one that is there is changed.")]
Ceiling = Annotated[
    str | None, _option("--ceiling", "TIER", f"llm: no further without asking: {', '.join(route_table.TIERS)}.")
]
Residency = Annotated[str | None, _option("--residency", "REGION", "llm: only who works there alone (eu); or any.")]
Day = Annotated[str | None, _option("--day", "USD", "At the most, a day of UTC; 0: without limit.")]
Month = Annotated[str | None, _option("--month", "USD", "At the most, a month of UTC; 0: without limit.")]
First = Annotated[str | None, _option("--first", "SECONDS", "llm: until its first word, then the next is asked.")]
Next = Annotated[str | None, _option("--next", "SECONDS", "llm: from one piece of the answer to the next.")]
Hedge = Annotated[str | None, _option("--hedge-after", "SECONDS", "llm: then the next is asked beside it.")]

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
        list_routes(as_json)


@routes_app.command("list")
def list_routes(as_json: Json = False) -> None:
    """Show the routes in force. Works without a running platform too."""
    found = run_async(anywhere("ListRoutes", ListRoutesRequest())).routes
    if as_json:
        print_json([cli_routes_show.route_json(r) for r in found])
    else:
        console.print(cli_routes_show.routes_table(found))


@routes_app.command("set", epilog=f"\b\nFor example:\n{examples(*EXAMPLES)}\n\n")
def set_route(  # noqa: PLR0913 - a command's options
    stage: Annotated[str, typer.Argument(help="llm, speech or tts", show_default=False)] = "",
    target: Annotated[str, typer.Argument(help="PROVIDER:MODEL, such as flite:rms", show_default=False)] = "",
    setting: Settings = None,
    then: Then = None,
    share: Share = None,
    for_: For = "",
    ceiling: Ceiling = None,
    residency: Residency = None,
    day: Day = None,
    month: Month = None,
    hedge: Hedge = None,
    first: First = None,
    next_: Next = None,
    name: Name = "",
    as_json: Json = False,
) -> None:
    """Let another provider answer, from the next clause on."""
    _check_stage(stage)
    if not target:
        raise InvalidRequest(f"say which provider answers for {stage}:\n{examples(stage)}")
    edit = route_table.Edit(
        target=target,
        settings=dict(_pair(s) for s in setting or []),
        then=then or (),
        share=share,
        capabilities=_listed(for_),
        name=name,
        ceiling=ceiling,
        residency=residency,
        **_numbers({"day": day, "month": month, "first_s": first, "next_s": next_, "hedge_s": hedge}),
    )
    try:
        made = _set(stage, edit)
    except InvalidRequest as exc:
        raise InvalidRequest(f"{exc.message}\n{examples(stage, target=target)}") from exc
    _tell(made, as_json)


def _set(stage: str, edit: route_table.Edit) -> RouteSet:
    if stage == "llm":
        return changed(lambda route: route_table.with_rule(route, edit))
    plain = route_table.Edit(target=edit.target, settings=edit.settings)
    if edit != plain:
        raise InvalidRequest(f"{stage} has one target and no rules: of all options, only --set is for it")
    route = RouteSet(stage=stage, target=edit.target, settings=edit.settings)
    made: RouteSet = run_async(from_running("SetRoute", SetRouteRequest(route=route))).route
    return made


@routes_app.command("remove")
def remove_rule(
    stage: Annotated[str, typer.Argument(help="llm: nobody else has rules.")],
    rule: Annotated[str, typer.Argument(help="Its name, as 'parlance routes list' shows it.")],
    as_json: Json = False,
) -> None:
    """Take a rule out of the table of llm."""
    _check_has_rules(stage)
    _tell(changed(lambda route: route_table.without_rule(route, rule)), as_json)


@routes_app.command("budget")
def set_budget(  # noqa: PLR0913 - a command's options
    stage: Annotated[str, typer.Argument(help="llm: nobody else costs by the word.")],
    day: Annotated[str | None, _option("--day", "USD", "All users together, a day of UTC; 0: without limit.")] = None,
    month: Annotated[str | None, _option("--month", "USD", "All users together, a month of UTC.")] = None,
    user_day: Annotated[str | None, _option("--user-day", "USD", "Each user, a day.")] = None,
    user_month: Annotated[str | None, _option("--user-month", "USD", "Each user, a month.")] = None,
    as_json: Json = False,
) -> None:
    """Limit what llm may spend; --day and --month of 'routes set' limit a rule."""
    _check_has_rules(stage)
    said = {"--day": day, "--month": month, "--user-day": user_day, "--user-month": user_month}
    if not any(said.values()):
        raise InvalidRequest(f"say how much, in US dollars: {', '.join(said)}; 0 lifts a limit")
    day_, month_, user_day_, user_month_ = (_number(option, value) for option, value in said.items())
    deployment, user = {"day": day_, "month": month_}, {"day": user_day_, "month": user_month_}
    _tell(changed(lambda route: route_table.with_budgets(route, deployment, user)), as_json)


@routes_app.command("undo")
def undo_route(
    stage: Annotated[str, typer.Argument(help="llm, speech or tts", show_default=False)] = "", as_json: Json = False
) -> None:
    """Bring back the version before the one in force."""
    _check_stage(stage)
    _tell(run_async(from_running("UndoRoute", UndoRouteRequest(stage=stage))).route, as_json)


def changed(change: Callable[[RouteSet], RouteSet]) -> RouteSet:
    """Puts a changed table of llm in force, in place of the one that was changed and of no other."""

    async def work() -> RouteSet:
        found = (await from_running("ListRoutes", ListRoutesRequest())).routes
        current = next(route for route in found if route.stage == "llm")
        made = change(current)
        request = SetRouteRequest(route=made, replaces=current.version)
        answer: RouteSet = (await from_running("SetRoute", request)).route
        return answer

    return run_async(work())


def _tell(made: RouteSet, as_json: bool) -> None:
    if as_json:
        print_json(cli_routes_show.route_json(made))
        return
    rules = "one rule" if len(made.rules) == 1 else f"{len(made.rules)} rules"
    what = f"{made.stage} has {rules} now" if made.rules else f"{made.stage} is now {made.target}"
    back = f", {made.brings_back} again" if made.brings_back else ""
    console.print(f"{what} ({made.version}{back})", markup=False, soft_wrap=True)
    if made.rules:
        console.print(cli_routes_show.rules_table(made))


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


def _check_has_rules(stage: str) -> None:
    if stage != "llm":
        raise InvalidRequest(f"'{stage}' has no rules and no budgets: only llm has")


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _numbers(said: dict[str, str | None]) -> dict[str, Any]:
    options = {"hedge_s": "--hedge-after", "first_s": "--first", "next_s": "--next"}
    return {field: _number(options.get(field, f"--{field}"), value) for field, value in said.items()}


def _number(option: str, value: str | None) -> Decimal | None:
    try:
        made = None if value is None else Decimal(value)
    except InvalidOperation:
        made = Decimal("NaN")
    if made is not None and not made.is_finite():
        raise InvalidRequest(f"{option} is a number such as 2.50, not '{value}'")
    return made
