"""`parlance routes set`: what is said to somebody who does not know how, and that what is said works."""

import shlex
from typing import Any

import pytest

from parlance import cli_routes, providers
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import ListRoutesResponse, SetRouteResponse
from services.llm.keys import VENDORS
from services.llm.providers import PROVIDERS as LLM
from services.speech.providers import PROVIDERS as SPEECH
from services.tts.providers import PROVIDERS as TTS

OURS = {"llm": LLM, "speech": SPEECH, "tts": TTS}
COMMANDS = [line.strip() for line in cli_routes.examples(*cli_routes.EXAMPLES).splitlines()]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[RouteSet]:
    """What reaches the platform."""
    seen: list[RouteSet] = []

    async def take(method: str, request: Any) -> Any:
        if method == "ListRoutes":
            return ListRoutesResponse(routes=[RouteSet(stage="llm", target="unconfigured:", version="v0")])
        seen.append(request.route)
        return SetRouteResponse(route=request.route)

    monkeypatch.setattr(cli_routes, "from_running", take)
    return seen


def run(*words: str) -> None:
    from typer.main import get_command

    get_command(cli_routes.routes_app).main([*words], standalone_mode=False)


def test_every_provider_of_ours_has_an_example() -> None:
    shown = {stage: {route.partition(":")[0] for route in routes} for stage, routes in cli_routes.EXAMPLES.items()}
    assert shown == {stage: set(own) for stage, own in OURS.items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_a_whole_command(command: str, sent: list[RouteSet]) -> None:
    program, name, *words = shlex.split(command, comments=True)
    assert (program, name, words[0]) == ("parlance", "routes", "set")
    run(*words)
    (route,) = sent
    assert route.target.partition(":")[0] in OURS[route.stage]


@pytest.mark.parametrize("command", [c for c in COMMANDS if " llm " in c or "scripted" in c or "tone" in c])
def test_every_example_that_needs_nothing_installed_makes_its_provider(command: str, sent: list[RouteSet]) -> None:
    run(*shlex.split(command, comments=True)[2:])
    (route,) = sent
    # The service fills in the key of a vendor.
    key = {"api_key": "x"} if route.target.partition(":")[0] in VENDORS else {}
    providers.load(route.stage, OURS[route.stage], route.target, **route.settings, **key)


@pytest.mark.parametrize(
    ("words", "said", "shown"),
    [
        ((), "say which stage", set(OURS)),
        (("llm",), "say which provider answers for llm", {"llm"}),
        (("speech",), "say which provider answers for speech", {"speech"}),
        (("lmm", "scripted:"), "did you mean 'llm'?", {"llm"}),
        (("LLM", "scripted:"), "did you mean 'llm'?", {"llm"}),
        (("speach",), "did you mean 'speech'?", {"speech"}),
        (("intent", "default:"), "no route can be set for 'intent'", set(OURS)),
    ],
)
def test_what_is_missing_or_misspelt_is_told_with_examples(
    words: tuple[str, ...], said: str, shown: set[str], sent: list[RouteSet]
) -> None:
    with pytest.raises(InvalidRequest) as told:
        run("set", *words)
    assert said in told.value.message and not sent
    for stage in OURS:
        assert (cli_routes.examples(stage) in told.value.message) == (stage in shown)


def test_a_setting_without_a_value_is_told(sent: list[RouteSet]) -> None:
    with pytest.raises(InvalidRequest, match="not 'base_url'"):
        run("set", "llm", "compatible:x", "--set", "base_url")
    assert not sent


@pytest.mark.parametrize(("target", "shown"), [("compatible:x", 1), ("nobody:x", len(cli_routes.EXAMPLES["llm"]))])
def test_what_the_platform_refuses_is_followed_by_examples(
    target: str, shown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the provider that was meant, or of all where it is none."""

    async def refuse(_method: str, _request: object) -> None:
        raise InvalidRequest("no")

    monkeypatch.setattr(cli_routes, "from_running", refuse)
    with pytest.raises(InvalidRequest) as told:
        run("set", "llm", target)
    first, *lines = told.value.message.splitlines()
    assert first == "no" and len(lines) == shown and lines[0].startswith("  parlance routes set llm compatible:MODEL")


@pytest.mark.parametrize(("name", "near"), [("compatable", "compatible"), ("Scripted", "scripted"), ("zzz", "")])
def test_an_unknown_provider_is_told_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(InvalidRequest, match=r"known: .*compatible, .*scripted, .*unconfigured") as told:
        providers.load("llm", LLM, f"{name}:x")
    assert (f"did you mean '{near}'?" in told.value.message) == bool(near)
