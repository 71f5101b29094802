"""What an operator does to the table of language models: a table in, a table out."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.errors import InvalidRequest
from parlance.route_table import CAPABILITIES, Edit, rules_of, with_budgets, with_rule, without_rule
from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.turn_pb2 import Capability, Tier

START = RouteSet(stage="llm", target="unconfigured:", version="v0")
HAIKU, LUNA, HOME = "anthropic:claude-haiku-5-5", "openai:gpt-6-luna", "compatible:home"


def after(*edits: Edit, start: RouteSet = START) -> RouteSet:
    for edit in edits:
        start = with_rule(start, edit)
    return start


def shape(route: RouteSet) -> list[tuple[str, list[str], int]]:
    return [(r.name, [t.target for t in r.targets], r.share) for r in rules_of(route)]


def test_a_target_alone_is_a_route_without_rules_as_it_always_was() -> None:
    made = after(Edit(HOME, {"base_url": "http://127.0.0.1:1/v1"}))
    wanted = RouteSet(stage="llm", version="v0", target=HOME, settings={"base_url": "http://127.0.0.1:1/v1"})
    assert made == wanted and not made.rules


def test_a_share_goes_before_the_rule_for_everybody() -> None:
    made = after(Edit(HOME), Edit(HAIKU, share=20))
    assert shape(made) == [(f"default/{HAIKU}", [HAIKU], 20), ("default", [HOME], 0)]
    assert made.target == HOME


def test_a_share_that_is_set_again_keeps_its_name_and_with_it_its_users() -> None:
    made = after(Edit(HOME), Edit(HAIKU, share=20), Edit(LUNA, share=10), Edit(HAIKU, share=50))
    assert shape(made) == [
        (f"default/{HAIKU}", [HAIKU], 50),
        (f"default/{LUNA}", [LUNA], 10),
        ("default", [HOME], 0),
    ]


@pytest.mark.parametrize("share", [None, 100])
def test_all_replaces_the_rule_for_everybody_and_the_share_that_led_to_it(share: int | None) -> None:
    assert shape(after(Edit(HOME), Edit(HAIKU, share=20), Edit(HAIKU, share=share))) == [("default", [HAIKU], 0)]
    kept = after(Edit(HOME), Edit(LUNA, share=20), Edit(HAIKU, share=share))
    assert shape(kept) == [(f"default/{LUNA}", [LUNA], 20), ("default", [HAIKU], 0)]


def test_rules_for_something_stand_before_those_for_whatever() -> None:
    made = after(
        Edit(HAIKU, share=20),
        Edit(LUNA, capabilities=["code", "web"]),
        Edit(HAIKU, capabilities=["web", "code"], share=5),
    )
    assert shape(made) == [
        (f"web+code/{HAIKU}", [HAIKU], 5),
        ("web+code", [LUNA], 0),
        (f"default/{HAIKU}", [HAIKU], 20),
        ("default", ["unconfigured:"], 0),
    ]
    assert list(made.rules[1].capabilities) == [Capability.CAPABILITY_WEB, Capability.CAPABILITY_CODE]
    assert shape(after(Edit(HOME, capabilities=["web", "code"]), start=made))[1] == ("web+code", [HOME], 0)


def test_a_rule_for_less_goes_before_one_for_more() -> None:
    made = after(
        Edit(LUNA, capabilities=["code", "web"]), Edit(HAIKU, capabilities=["web"]), Edit(HOME, capabilities=["chat"])
    )
    assert [name for name, _, _ in shape(made)] == ["web", "web+code", "chat", "default"]


def test_those_who_come_next_are_asked_as_the_table_asks_them_already() -> None:
    made = after(Edit(HOME, {"base_url": "http://127.0.0.1:1/v1"}), Edit(HAIKU, then=[HOME, LUNA]))
    (rule,) = made.rules
    assert [t.target for t in rule.targets] == [HAIKU, HOME, LUNA]
    assert dict(rule.targets[1].settings) == {"base_url": "http://127.0.0.1:1/v1"} and not rule.targets[2].settings


def test_another_target_keeps_the_rules_ceiling_region_and_budget() -> None:
    strict = Edit(HAIKU, ceiling="house", residency="eu", day=Decimal("2.50"), month=Decimal(40))
    made = after(strict, Edit(LUNA))
    (rule,) = made.rules
    assert (rule.targets[0].target, rule.ceiling, rule.residency) == (LUNA, Tier.TIER_HOUSE, "eu")
    assert (rule.budget.day_nanos, rule.budget.month_nanos) == (2_500_000_000, 40_000_000_000)
    freed = after(Edit(LUNA, residency="any", day=Decimal(0), month=Decimal(0)), start=made)
    assert (freed.rules[0].residency, freed.rules[0].HasField("budget")) == ("", False)


def test_a_new_rule_goes_no_further_than_the_one_that_it_is_taken_from_and_has_money_of_its_own() -> None:
    made = after(
        Edit(HOME, ceiling="house", residency="eu", day=Decimal(1)),
        Edit(HAIKU, share=20),
        Edit(LUNA, capabilities=["web"]),
    )
    for rule in made.rules[:2]:
        assert (rule.ceiling, rule.residency, rule.HasField("budget")) == (Tier.TIER_HOUSE, "eu", False)


def test_waits_are_those_of_every_target() -> None:
    made = after(Edit(HAIKU, then=[LUNA], first_s=Decimal("1.5"), next_s=Decimal(3), hedge_s=Decimal("0.4")))
    assert [(t.first_ms, t.next_ms, t.hedge_ms) for t in made.rules[0].targets] == [(1500, 3000, 400)] * 2


def test_a_rule_of_a_name_is_changed_where_it_stands() -> None:
    made = after(
        Edit(HOME), Edit(HAIKU, share=20, name="pilot", capabilities=["chat"]), Edit(LUNA, share=30, name="pilot")
    )
    assert shape(made)[0] == ("pilot", [LUNA], 30) and list(made.rules[0].capabilities) == [Capability.CAPABILITY_CHAT]


def test_a_rule_is_removed_and_the_last_one_for_whatever_stays() -> None:
    made = after(Edit(HOME), Edit(HAIKU, share=20, name="pilot"))
    assert without_rule(made, "pilot") == after(Edit(HOME))
    with pytest.raises(InvalidRequest, match="no other rule is for"):
        without_rule(made, "default")
    with pytest.raises(InvalidRequest, match=r"no rule 'pilto'.*did you mean 'pilot'"):
        without_rule(made, "pilto")


def test_budgets_are_set_kept_and_lifted() -> None:
    made = with_budgets(START, {"day": Decimal(5), "month": None}, {"day": Decimal("0.1"), "month": Decimal(1)})
    assert made.budgets.deployment.day_nanos == 5_000_000_000 and made.budgets.user.day_nanos == 100_000_000
    changed = after(Edit(HAIKU), Edit(LUNA, share=3), start=made)
    assert changed.budgets == made.budgets
    lifted = with_budgets(changed, {"day": Decimal(0), "month": None}, {"day": Decimal(0), "month": Decimal(0)})
    assert not lifted.HasField("budgets") and lifted.rules == changed.rules


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"capabilities": ["wbe"]}, "did you mean 'web'"),
        ({"ceiling": "partnr"}, "did you mean 'partner'"),
        ({"share": 0}, "1 to 100 per cent"),
        ({"share": 101}, "1 to 100 per cent"),
        ({"day": Decimal(-1)}, "US dollars"),
        ({"hedge_s": Decimal(0)}, "--hedge-after is seconds"),
        ({"first_s": Decimal(601)}, "--first is seconds"),
    ],
)
def test_what_makes_no_sense_is_told(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        after(Edit(HAIKU, **fields))


edits = st.builds(
    Edit,
    st.sampled_from([HAIKU, LUNA, HOME]),
    share=st.none() | st.integers(1, 100),
    capabilities=st.lists(st.sampled_from([*CAPABILITIES]), max_size=2),
    then=st.lists(st.sampled_from([HAIKU, LUNA, HOME]), max_size=1),
)


@given(st.lists(edits, max_size=8))
def test_whatever_is_set_names_are_unique_and_somebody_answers_whatever_is_asked(said: list[Edit]) -> None:
    made = after(*said)
    rules = rules_of(made)
    assert len({rule.name for rule in rules}) == len(rules)
    whatever = [n for n, rule in enumerate(rules) if not rule.capabilities]
    assert whatever == list(range(whatever[0], len(rules))) and not rules[-1].share
    assert (made.target, made.settings) == (rules[-1].targets[0].target, rules[-1].targets[0].settings)


@given(st.lists(edits, max_size=5), edits)
def test_setting_twice_is_setting_once_and_touches_no_other_table(said: list[Edit], edit: Edit) -> None:
    start = after(*said)
    before = start.SerializeToString(deterministic=True)
    once = with_rule(start, edit)
    assert with_rule(once, edit) == once
    assert start.SerializeToString(deterministic=True) == before


def test_a_table_that_says_no_more_than_one_target_has_no_rules() -> None:
    table = RouteSet(stage="llm", rules=[LlmRule(name="default", targets=[LlmTarget(target=HOME)])])
    assert after(Edit(LUNA), start=table) == RouteSet(stage="llm", target=LUNA)
