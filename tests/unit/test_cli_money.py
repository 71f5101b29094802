"""`parlance usage` and `parlance egress`, as people and as programs read them."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from parlance.cli_egress import egress_json, egress_list
from parlance.cli_usage import usage_json, usage_tables
from parlance.v1.gateway_service_pb2 import (
    BudgetState,
    EgressEntry,
    GetUsageResponse,
    ListEgressRequest,
    ListEgressResponse,
    ModelUsage,
)
from parlance.v1.llm_pb2 import EgressRecorded
from parlance.v1.turn_pb2 import Tier

DOLLAR = 10**9
AT_US = 1_796_038_801_123_456


def used() -> GetUsageResponse:
    haiku = ModelUsage(provider="anthropic", model="claude-haiku-5-5", rule="chat", user_id="owner")
    haiku.requests, haiku.failed, haiku.input_tokens, haiku.cache_read_tokens = 1234, 12, 1_234_567, 900_000
    haiku.output_tokens, haiku.cost_nanos, haiku.p50_us, haiku.p95_us = 45_678, 2_345_678_901, 412_345, 1_534_000
    luna = ModelUsage(provider="openai", model="gpt-6-luna", rule="web", user_id="anna@example.org", estimated=2)
    luna.requests, luna.input_tokens, luna.output_tokens, luna.cost_nanos = 17, 4567, 678, 4_678_900
    states = [
        ("deployment", "", "day", 5 * DOLLAR, 1_234_567_890),
        ("deployment", "", "month", 100 * DOLLAR, 95 * DOLLAR),
        ("user", "owner", "day", DOLLAR // 10, DOLLAR // 10 + 5),
        ("user", "owner", "month", 0, DOLLAR // 10 + 5),
    ]
    made = GetUsageResponse(since="2026-11-01", usage=[haiku, luna])
    for of, name, period, limit, spent in states:
        made.budgets.add(of=of, name=name, period=period, limit_nanos=limit, spent_nanos=spent)
    return made


def left(**more: Any) -> EgressEntry:
    sent = EgressRecorded(
        call_id="c",
        provider="anthropic:claude-haiku-5-5",
        destination="api.anthropic.com",
        data_classes=["question", "conversation"],
        bytes_sent=12_345,
        bytes_received=3456,
        route_version="v3",
        rule="chat",
        tier=Tier.TIER_PARTNER,
        policy_version="sha256:0123456789abcdef0123",
        region="eu",
        retention_days=30,
    )
    for name, value in more.items():
        setattr(sent, name, value)
    return EgressEntry(at_us=AT_US, turn_id="0199aabb-1234", user_id="anna", egress=sent)


def shown(what: Any, width: int) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(what)
    text = captured.get()
    assert all(len(line) <= width for line in text.splitlines())
    return re.sub(r" +", " ", text)


@pytest.mark.parametrize(("width", "wide"), [(80, False), (120, True)])
def test_people_see_who_cost_what_in_terminals_of_any_width(width: int, wide: bool) -> None:
    text = shown(usage_tables(used(), wide=wide), width)
    assert "$2.35 for 1,251 requests since 2026-11-01, 12 of them cut off or failed" in text
    for words in ("anthropic:claude-haiku-5-5 chat owner", "1,234,567 900,000 45,678", "$2.3457 412 1,534"):
        assert words in text
    # What was estimated is marked; where no piece came there is no latency.
    for words in ("~4,567", "~678", "~$0.0047 - -", "a part was counted by us"):
        assert words in text
    assert "thoughts" not in text  # nobody had any


def test_people_see_what_is_left_of_the_budgets() -> None:
    lines = shown(usage_tables(used(), wide=False), 80).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("budget"))
    assert [line.strip() for line in lines[start:]] == [
        "budget (UTC) spent limit left",
        "everybody today $1.23 $5.00 $3.77",
        "this month $95.00 $100.00 $5.00",
        "user owner today $0.10 $0.10 $0",
        "this month $0.10 no limit",
    ]


def test_where_nothing_was_asked_it_says_so() -> None:
    nothing = GetUsageResponse(since="2026-11-01", run="load-1", budgets=[BudgetState(of="deployment", period="day")])
    text = shown(usage_tables(nothing, wide=True), 120)
    assert (
        "No language model was asked since 2026-11-01 in run load-1." in text and "everybody today $0 no limit" in text
    )


def test_programs_get_money_as_exact_decimals() -> None:
    told = usage_json(used())
    assert json.loads(json.dumps(told)) == told
    haiku, luna = told["usage"]
    assert haiku["cost_usd"] == "2.345678901" and (haiku["p50_ms"], luna["p50_ms"]) == (412.345, None)
    assert Decimal(told["total"]["cost_usd"]) == Decimal(haiku["cost_usd"]) + Decimal(luna["cost_usd"])
    assert told["total"]["requests"] == 1251 and (luna["estimated"], luna["user"]) == (2, "anna@example.org")
    day, _, over, unlimited = told["budgets"]
    assert (day["of"], day["name"], day["period"]) == ("deployment", None, "day")
    assert (day["spent_usd"], day["limit_usd"], day["left_usd"]) == ("1.23456789", "5.00", "3.76543211")
    assert (over["left_usd"], unlimited["limit_usd"], unlimited["left_usd"]) == ("0.00", None, None)
    money = [
        value
        for part in (told["total"], *told["usage"], *told["budgets"])
        for key, value in part.items()
        if "usd" in key
    ]
    assert all(value is None or isinstance(value, str) for value in money)


@pytest.mark.parametrize("width", [80, 120])
def test_people_read_what_left_and_under_which_rules(width: int) -> None:
    found = ListEgressResponse(entries=[left(), left(retention_days=-1, region="", cut=True, tier=0)], more=True)
    text = " ".join(shown(egress_list(found, ListEgressRequest(user_id="anna", days=30)), width).split())
    for words in (
        "The newest 2 requests of anna that left this device in the last 30 days",
        "anthropic:claude-haiku-5-5 a third party",
        "question, conversation to api.anthropic.com",
        "12,345 bytes sent, 3,456 received; in eu; kept 30 days",
        "user anna, rule chat, route v3, catalogue sha256:0123456789ab, turn 0199aabb",
        "12,345 bytes sent, 3,456 received, then cut off; region not asked for;",
        "how long it is kept is not told",
        "There are more: --limit 10 shows them.",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"retention_days": 0}, "; not kept\n"),
        ({"retention_days": 1}, "; kept 1 day\n"),
        ({"region": "eu,us"}, "; in eu or us; kept"),
        ({"estimated": True}, "about 12,345 bytes sent, about 3,456 received;"),
        ({"tier": Tier.TIER_HOUSE}, "anthropic:claude-haiku-5-5 our own cloud"),
        ({"policy_version": "7"}, "catalogue 7, turn"),
    ],
)
def test_a_request_is_told_as_it_was(more: dict[str, Any], said: str) -> None:
    text = shown(egress_list(ListEgressResponse(entries=[left(**more)]), ListEgressRequest(days=1)), 120)
    assert said in text.replace(" \n", "\n") and text.startswith("1 request that left this device today\n")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (ListEgressRequest(days=1), "Nothing was sent to a model today."),
        (ListEgressRequest(days=1, left_device=True), "Nothing left this device today."),
        (
            ListEgressRequest(days=7, left_device=True, user_id="ben"),
            "Nothing that ben asked left this device in the last 7 days.",
        ),
    ],
)
def test_where_nothing_was_sent_it_says_so(asked: ListEgressRequest, said: str) -> None:
    assert shown(egress_list(ListEgressResponse(), asked), 80) == f"{said}\n"


def test_what_went_to_a_server_here_is_no_more_than_that() -> None:
    here = left(destination="127.0.0.1:8000", tier=Tier.TIER_DEVICE)
    asked = ListEgressRequest(days=1)
    assert [r["left_device"] for r in egress_json(ListEgressResponse(entries=[left(), here]))["requests"]] == [
        True,
        False,
    ]
    text = shown(egress_list(ListEgressResponse(entries=[left(), here]), asked), 80)
    assert text.startswith("2 requests today; 1 of them left this device\n") and "  on this machine" not in text
    assert "haiku-5-5 on this machine" in text
    assert shown(egress_list(ListEgressResponse(entries=[here]), asked), 80).startswith(
        "1 request today; nothing left this device\n"
    )


def test_programs_get_every_field_of_a_request() -> None:
    told = egress_json(ListEgressResponse(entries=[left(), left(retention_days=-1, tier=0, region="")], more=True))
    whole, bare = told["requests"]
    assert told["more"] is True and whole.pop("at").startswith("20")
    assert whole == {
        "turn_id": "0199aabb-1234",
        "user": "anna",
        "call_id": "c",
        "attempt": 0,
        "provider": "anthropic",
        "model": "claude-haiku-5-5",
        "destination": "api.anthropic.com",
        "left_device": True,
        "tier": "partner",
        "data_classes": ["question", "conversation"],
        "bytes_sent": 12_345,
        "bytes_received": 3456,
        "estimated": False,
        "cut": False,
        "region": "eu",
        "retention_days": 30,
        "rule": "chat",
        "route_version": "v3",
        "policy_version": "sha256:0123456789abcdef0123",
    }
    assert (bare["tier"], bare["region"], bare["retention_days"]) == (None, None, None)
