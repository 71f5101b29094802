"""Who is asked, in which order, and why each other one is not."""

from datetime import date
from typing import Any

import pytest

from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.llm_service_pb2 import ChatMessage, Image, Role, Tool, ToolCall
from parlance.v1.turn_pb2 import Capability, Consent, ErrorCode, Label, Tier
from services.llm.estimate import input_tokens, most_nanos
from services.llm.router import choices, rules_of
from tests.unit.router_scene import MODELS, PRICES, TODAY, asking, known, model, names, routed, rule, why_not

WEB, CODE = Capability.CAPABILITY_WEB, Capability.CAPABILITY_CODE
PICTURE = [ChatMessage(role=Role.ROLE_USER, text="what is this", images=[Image(media_type="image/png", data=b"1")])]


def test_a_route_without_rules_sends_everything_to_its_target() -> None:
    route = RouteSet(stage="llm", target="own", settings={"base_url": "http://127.0.0.1:1/v1"})
    (only,) = choices(asking(), "anna", route, known())
    assert (only.rule.name, only.target.target, only.passed_over) == ("default", "own", "")
    assert dict(only.target.settings) == {"base_url": "http://127.0.0.1:1/v1"} and rules_of(route)[0] == only.rule


def test_the_first_rule_that_fits_is_asked_first_then_the_next_that_fits() -> None:
    rules = (rule("w", "cloud", "house", capabilities=[WEB]), rule("base", "own"))
    assert names(routed(asking(), *rules)) == ["own"]
    assert names(routed(asking(capability=WEB), *rules)) == ["cloud", "house", "own"]


def test_no_rule_for_a_question_means_nobody() -> None:
    assert routed(asking(capability=WEB), rule("code", "own", capabilities=[CODE])) == []


def test_a_target_that_an_earlier_rule_has_is_not_asked_twice() -> None:
    made = routed(asking(), rule("a", "own"), rule("b", "own", "house"))
    assert names(made) == ["own", "house"] and "the rule 'a' has it" in made[1].passed_over


def test_a_target_that_an_earlier_rule_passed_over_is_asked_under_a_later_one() -> None:
    made = routed(asking(), rule("eu", "house", residency="eu"), rule("base", "house"))
    assert [(c.rule.name, bool(c.passed_over)) for c in made] == [("eu", True), ("base", False)]


@pytest.mark.parametrize(
    ("lacks", "request_fields", "reason"),
    [
        ("vision", {"messages": PICTURE}, "it sees no images"),
        ("tools", {"tools": [Tool(name="t")]}, "it calls no tools"),
        ("tools", {"messages": [ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[ToolCall()])]}, "it calls no tools"),
        ("schema", {"output_schema": "{}"}, "JSON Schema"),
        ("web", {"capability": WEB}, "it does not look into the web"),
        ("code", {"capability": CODE}, "it is not for code"),
    ],
)
def test_who_cannot_do_what_is_asked_is_passed_over(lacks: str, request_fields: dict[str, Any], reason: str) -> None:
    able = MODELS["own"].capabilities
    made = routed(
        asking(**request_fields),
        rule("r", "poor", "own"),
        what=known(model("poor", "DEVICE", capabilities=able - {lacks})),
    )
    assert names(made) == ["own"] and reason in why_not(made, "poor")


def test_a_picture_goes_by_the_rule_for_vision_whatever_was_asked_for() -> None:
    rules = (rule("seeing", "house", capabilities=[Capability.CAPABILITY_VISION]), rule("base", "own"))
    assert names(routed(asking(messages=PICTURE), *rules)) == ["house", "own"]


def test_what_may_not_leave_the_device_stays_whatever_the_user_said() -> None:
    request = asking(label=Label.LABEL_DEVICE_ONLY, consents=["far", "cloud"])
    all_of = rule("r", "far", "cloud", "house", "own", ceiling=Tier.TIER_PARTNER)
    made = routed(request, all_of, what=known(consent=Consent.CONSENT_ALWAYS))
    assert names(made) == ["own"] and "may not leave the device" in why_not(made, "house")


def test_beyond_the_ceiling_the_user_is_asked_and_private_is_the_ceiling_where_none_is_set() -> None:
    assert names(routed(asking(), rule("r", "far", "cloud"))) == ["far?", "cloud"]
    assert names(routed(asking(), rule("r", "cloud", ceiling=Tier.TIER_HOUSE))) == ["cloud?"]
    assert names(routed(asking(), rule("r", "far", ceiling=Tier.TIER_PARTNER))) == ["far"]


def test_what_the_user_said_holds() -> None:
    r = rule("r", "far")
    assert names(routed(asking(), r, what=known(consent=Consent.CONSENT_ALWAYS))) == ["far"]
    assert names(routed(asking(consents=["far"]), r)) == ["far"]
    never = known(consent=Consent.CONSENT_NEVER)
    assert "never" in why_not(routed(asking(), r, what=never), "far")
    assert "never" in why_not(routed(asking(), rule("r", "far", ceiling=Tier.TIER_PARTNER), what=never), "far")
    assert names(routed(asking(consents=["far"]), r, what=never)) == ["far"]


def test_whom_the_user_refused_this_question_is_passed_over_whatever_he_said_before() -> None:
    for what in (known(), known(consent=Consent.CONSENT_ALWAYS)):
        made = routed(asking(refused=["far"]), rule("r", "far", "cloud"), what=what)
        assert names(made) == ["cloud"] and "does not let far" in why_not(made, "far")


def test_no_partner_is_asked_where_it_is_not_known_whom_the_question_names() -> None:
    all_of = rule("r", "far", "cloud", "house", "own", ceiling=Tier.TIER_PARTNER)
    choices = routed(asking(names_unknown=True), all_of)
    assert names(choices) == ["cloud", "house", "own"] and "context is out of reach" in why_not(choices, "far")


def test_a_rule_of_a_region_asks_those_who_promise_it_and_this_device() -> None:
    european = model("eu", "PRIVATE", residency=frozenset({"eu"}))
    made = routed(asking(), rule("r", "cloud", "eu", "own", residency="eu"), what=known(european))
    assert names(made) == ["eu", "own"] and "'eu'" in why_not(made, "cloud")


def test_a_model_is_asked_until_the_day_before_its_vendor_shuts_it_down() -> None:
    gone, going = model("gone", "HOUSE", shuts_down=TODAY), model("going", "HOUSE", shuts_down=date(2026, 12, 1))
    made = routed(asking(), rule("r", "gone", "going"), what=known(gone, going))
    assert names(made) == ["going"] and "shut it down on 2026-11-30" in why_not(made, "gone")


def test_a_question_that_may_be_too_long_goes_to_who_can_hold_it() -> None:
    small = model("small", "DEVICE", context_tokens=1000)
    made = routed(asking("word " * 1000), rule("r", "small", "own"), what=known(small))
    assert names(made) == ["own"] and "1000 that it can hold" in why_not(made, "small")


def test_without_an_entry_or_a_price_for_today_nobody_is_asked() -> None:
    later = model("later", "DEVICE", prices=(PRICES[0].__class__(date(2027, 1, 1), *(PRICES[0].input,) * 4),))
    made = routed(asking(), rule("r", "nobody", "later"), what=known(later))
    assert names(made) == [] and made[0].model is None
    assert "catalogue" in why_not(made, "nobody") and "no price" in why_not(made, "later")


def test_what_is_broken_or_too_dear_is_passed_over_with_the_reason() -> None:
    dear = known(broken="own", unaffordable=lambda user, rule, nanos: f"{user} {rule.name} {nanos > 0}")
    made = routed(asking(), rule("r", "own", "house"), what=dear)
    assert why_not(made, "own") == "it failed three times" and why_not(made, "house") == "anna r True"


def test_each_that_is_passed_over_tells_what_kind_of_trouble_it_is() -> None:
    able = MODELS["own"].capabilities - {"chat"}
    what = known(
        model("dumb", "DEVICE", capabilities=able),
        broken="own",
        unaffordable=lambda user, rule, nanos: "the day's budget",
    )
    request = asking(label=Label.LABEL_DEVICE_ONLY)
    made = routed(request, rule("r", "dumb", "house", "own", "nobody"), what=what)
    codes = [ErrorCode.Name(c.code).removeprefix("ERROR_CODE_") for c in made]
    assert codes == ["INVALID_REQUEST", "PERMISSION_DENIED", "UNAVAILABLE", "INVALID_REQUEST"]
    (dear,) = routed(asking(), rule("r", "house"), what=what)
    assert (dear.code, dear.passed_over) == (ErrorCode.ERROR_CODE_QUOTA_EXHAUSTED, "the day's budget")
    (fine,) = routed(asking(), rule("r", "house"))
    assert fine.code == ErrorCode.ERROR_CODE_UNSPECIFIED


def test_a_target_that_was_asked_for_is_the_only_one_and_keeps_what_the_route_says_of_it() -> None:
    priced = LlmRule(name="dear", ceiling=Tier.TIER_PARTNER, targets=[LlmTarget(target="far", settings={"a": "b"})])
    (only,) = routed(asking(target="far"), rule("base", "own"), priced)
    assert (only.rule.name, dict(only.target.settings), names([only])) == ("dear", {"a": "b"}, ["far"])
    (other,) = routed(asking(target="cloud"), rule("base", "own"))
    assert (other.rule.name, names([other])) == ("asked", ["cloud"])
    assert names(routed(asking(target="far"), rule("base", "own"))) == ["far?"]
    assert names(routed(asking(target="far", label=Label.LABEL_DEVICE_ONLY, consents=["far"]), priced)) == []


def test_the_most_that_an_answer_may_cost_is_stated() -> None:
    request = asking("x" * 3000, max_output_tokens=200)
    assert input_tokens(request) == 1100 + 10
    # Written to the vendor's cache at 1.25 dollars a million, and 200 tokens at 10.
    own = MODELS["own"]
    assert most_nanos(request, input_tokens(request), own, TODAY) == 1110 * 1250 + 200 * 10_000
    assert most_nanos(asking("x" * 3000), 1110, own, TODAY) == 1110 * 1250 + 1000 * 10_000
    assert most_nanos(asking("x", capability=WEB), 11, own, TODAY) == 20_011 * 1250 + 1000 * 10_000


def test_all_that_is_sent_counts() -> None:
    plain = input_tokens(asking("x"))
    assert input_tokens(asking("x", output_schema="{}" * 300)) > plain + 200
    assert input_tokens(asking("x", tools=[Tool(name="a" * 300, parameters="{}" * 300)])) > plain + 900
    assert input_tokens(asking(messages=PICTURE)) > 5000
