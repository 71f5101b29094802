"""`parlance routes` with rules: what reaches the platform, what is shown, and what is refused before it is sent."""

import json
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command

from parlance import cli_routes, cli_routes_show
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import (
    ListRoutesResponse,
    SetRouteRequest,
    SetRouteResponse,
    UndoRouteResponse,
)
from parlance.v1.turn_pb2 import Tier

HAIKU, LUNA = "anthropic:claude-haiku-5-5", "openai:gpt-6-luna"


class Platform:
    """Takes whatever is set, as one that nothing else changes."""

    def __init__(self) -> None:
        self.routes = {
            "llm": RouteSet(stage="llm", target="unconfigured:", version="v0"),
            "tts": RouteSet(stage="tts", target="hibari:", version="v0"),
        }
        self.sent: list[SetRouteRequest] = []

    async def ask(self, method: str, request: Any) -> Any:
        if method == "ListRoutes":
            return ListRoutesResponse(routes=self.routes.values())
        if method == "UndoRoute":
            return UndoRouteResponse(route=RouteSet(stage=request.stage, target="a:", version="v3", brings_back="v1"))
        self.sent.append(request)
        request.route.version = f"v{len(self.sent)}"
        self.routes[request.route.stage] = request.route
        return SetRouteResponse(route=request.route)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    made = Platform()
    monkeypatch.setattr(cli_routes, "from_running", made.ask)
    monkeypatch.setattr(cli_routes, "anywhere", made.ask)
    return made


def run(*words: str) -> None:
    get_command(cli_routes.routes_app).main([*words], standalone_mode=False)


def shown(route: RouteSet, width: int) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(cli_routes_show.routes_table([route]))
    return capture.get()


def test_a_share_reaches_the_platform_over_the_version_that_was_looked_at(platform: Platform) -> None:
    run("set", "llm", HAIKU)
    run("set", "llm", LUNA, "--share", "20")
    assert [request.replaces for request in platform.sent] == ["v0", "v1"]
    rules = platform.routes["llm"].rules
    assert [(r.name, r.share) for r in rules] == [(f"default/{LUNA}", 20), ("default", 0)]


def test_every_option_reaches_the_rule(platform: Platform) -> None:
    words = "--for web,code --then scripted:echo --ceiling partner --residency eu --day 2.5 --month 30"
    run("set", "llm", LUNA, *words.split(), "--first", "1.5", "--next", "3", "--hedge-after", "0.4", "--name", "search")
    rule = platform.routes["llm"].rules[0]
    assert (rule.name, rule.ceiling, rule.residency) == ("search", Tier.TIER_PARTNER, "eu")
    assert [t.target for t in rule.targets] == [LUNA, "scripted:echo"]
    assert (rule.targets[0].first_ms, rule.targets[0].next_ms, rule.targets[0].hedge_ms) == (1500, 3000, 400)
    assert (rule.budget.day_nanos, rule.budget.month_nanos) == (2_500_000_000, 30_000_000_000)


def test_a_rule_is_removed_and_budgets_are_set(platform: Platform) -> None:
    run("set", "llm", LUNA, "--share", "20", "--name", "pilot")
    run("budget", "llm", "--day", "5", "--user-month", "0.5")
    assert platform.routes["llm"].budgets.deployment.day_nanos == 5_000_000_000
    run("remove", "llm", "pilot")
    assert not platform.routes["llm"].rules
    assert platform.routes["llm"].budgets.user.month_nanos == 500_000_000


def test_undo_tells_what_came_back(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    run("undo", "llm")
    assert capsys.readouterr().out.strip() == "llm is now a: (v3, v1 again)"


def test_json_tells_the_whole_table(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    run("set", "llm", HAIKU, "--share", "20", "--for", "web", "--day", "1.50", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["stage"], told["target"], told["version"]) == ("llm", "unconfigured:", "v1")
    first, last = told["rules"]
    assert (first["name"], first["for"], first["share"], first["ceiling"]) == (f"web/{HAIKU}", ["web"], 20, "private")
    assert first["budget"] == {"day_usd": "1.50", "month_usd": None}
    assert first["targets"] == [
        {"target": HAIKU, "settings": {}, "first_s": None, "next_s": None, "hedge_after_s": None}
    ]
    assert (last["name"], last["for"], last["share"]) == ("default", None, 100)
    run("list", "--json")
    both = {r["stage"]: r for r in json.loads(capsys.readouterr().out)}
    assert both["llm"] == told and both["tts"] == {"stage": "tts", "target": "hibari:", "version": "v0", "settings": {}}


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_terminal(platform: Platform, width: int) -> None:
    run("set", "llm", "compatible:home", "--set", "base_url=http://127.0.0.1:8000/v1", "--then", HAIKU)
    plain = shown(platform.routes["llm"], width)
    assert "whatever is left" in plain and "%" not in plain and "$" not in plain
    run(
        "set",
        "llm",
        LUNA,
        "--share",
        "20",
        "--for",
        "web,code",
        "--residency",
        "eu",
        "--day",
        "2",
        "--hedge-after",
        "1",
    )
    run("budget", "llm", "--day", "5")
    full = shown(platform.routes["llm"], width)
    for words in (
        LUNA,
        "20 %",
        "web",
        "code",
        "eu",
        "$2.00 a day",
        "hedge after 1 s",
        "all users together: $5.00 a day",
    ):
        assert words in " ".join(full.split()), full
    assert max(len(line) for line in full.splitlines()) <= width


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "llm", LUNA, "--for", "wbe"), "did you mean 'web'"),
        (("set", "llm", LUNA, "--day", "much"), "--day is a number such as 2.50, not 'much'"),
        (("set", "llm", LUNA, "--hedge-after", "nan"), "--hedge-after is a number"),
        (("set", "llm", LUNA, "--share", "120"), "1 to 100 per cent"),
        (("set", "tts", "tone:", "--share", "20"), "only --set is for it"),
        (("remove", "tts", "default"), "only llm has"),
        (("remove", "llm", "defualt"), "did you mean 'default'"),
        (("remove", "llm", "default"), "no other rule is for"),
        (("budget", "llm"), "say how much"),
        (("budget", "llm", "--day", "-1"), "a budget is US dollars"),
        (("undo", "lmm"), "did you mean 'llm'"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_sent(
    platform: Platform, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InvalidRequest) as told:
        run(*words)
    assert said in told.value.message and not platform.sent
