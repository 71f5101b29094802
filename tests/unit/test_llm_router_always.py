"""What holds for whatever is asked, by whomever, under whichever rules."""

from hypothesis import given
from hypothesis import strategies as st

from parlance.v1.control_pb2 import LlmRule
from parlance.v1.llm_service_pb2 import AnswerRequest
from parlance.v1.turn_pb2 import Capability, Consent, Label, Tier
from services.llm.choice import Choice
from services.llm.router import in_share
from tests.unit.router_scene import MODELS, asking, known, routed, rule

TIERS = (Tier.TIER_UNSPECIFIED, Tier.TIER_DEVICE, Tier.TIER_HOUSE, Tier.TIER_PRIVATE, Tier.TIER_PARTNER)
KINDS = (Capability.CAPABILITY_CHAT, Capability.CAPABILITY_WEB, Capability.CAPABILITY_CODE)
SAID = (Consent.CONSENT_UNSPECIFIED, Consent.CONSENT_ALWAYS, Consent.CONSENT_NEVER)
users = st.text(min_size=1, max_size=12)
rules = st.lists(
    st.builds(
        lambda n, targets, share, ceiling, for_: rule(
            f"r{n}", *targets, share=share, ceiling=ceiling, capabilities=for_
        ),
        st.integers(0, 9),
        st.lists(st.sampled_from([*MODELS, "nobody"]), min_size=1, max_size=4),
        st.integers(0, 100),
        st.sampled_from(TIERS),
        st.lists(st.sampled_from(KINDS), max_size=2, unique=True),
    ),
    min_size=1,
    max_size=4,
)
requests = st.builds(
    lambda label, kind, consents, target: asking(label=label, capability=kind, consents=consents, target=target),
    st.sampled_from([Label.LABEL_UNSPECIFIED, Label.LABEL_OPEN, Label.LABEL_PERSONAL, Label.LABEL_DEVICE_ONLY]),
    st.sampled_from(KINDS),
    st.lists(st.sampled_from([*MODELS]), max_size=2, unique=True),
    st.sampled_from(["", "", *MODELS]),
)


def asked(made: list[Choice]) -> list[Choice]:
    return [c for c in made if not c.passed_over]


@given(requests, users, rules, st.sampled_from(SAID))
def test_nobody_beyond_what_label_ceiling_and_user_let_is_asked(
    request: AnswerRequest, user: str, table: list[LlmRule], said: Consent.ValueType
) -> None:
    for choice in asked(routed(request, *table, user=user, what=known(consent=said))):
        assert choice.model is not None
        tier, let = choice.model.tier, choice.model.vendor in request.consents
        if request.label == Label.LABEL_DEVICE_ONLY:
            assert tier == Tier.TIER_DEVICE
        if tier > (choice.rule.ceiling or Tier.TIER_PRIVATE):
            assert choice.needs_consent or let or said == Consent.CONSENT_ALWAYS
        if said == Consent.CONSENT_NEVER and tier > Tier.TIER_DEVICE:
            assert let
        assert not (choice.needs_consent and said != Consent.CONSENT_UNSPECIFIED)


@given(requests, users, rules)
def test_only_rules_that_fit_are_asked_in_their_order_and_nobody_twice(
    request: AnswerRequest, user: str, table: list[LlmRule]
) -> None:
    made = routed(request, *table, user=user)
    assert made == routed(request, *table, user=user)
    chosen = asked(made)
    assert len({c.target.target for c in chosen}) == len(chosen)
    if request.target:
        assert [c.target.target for c in made] == [request.target]
        return
    fit = [r for r in table if (not r.capabilities or request.capability in r.capabilities) and in_share(r, user)]
    assert [c.target for c in made] == [t for r in fit for t in r.targets]


@given(users, st.integers(1, 99), st.integers(0, 99))
def test_a_share_is_sticky_and_grows_only(user: str, share: int, more: int) -> None:
    small, big = rule("pilot", "own", share=share), rule("pilot", "own", share=min(99, share + more))
    assert in_share(small, user) == in_share(small, user)
    assert not in_share(small, user) or in_share(big, user)
    assert in_share(rule("pilot", "own"), user) and in_share(rule("pilot", "own", share=100), user)


@given(st.integers(1, 99), st.text(min_size=1, max_size=10))
def test_a_share_is_near_its_percentage(share: int, name: str) -> None:
    inside = sum(in_share(rule(name, "own", share=share), f"user {n}") for n in range(2000))
    # Seven standard deviations of 2,000 draws, of 1.1 per cent each where they are widest.
    assert abs(inside / 2000 - share / 100) < 0.08


def test_two_rules_of_one_share_do_not_have_the_same_users() -> None:
    both = [all(in_share(rule(n, "own", share=50), f"u{i}") for n in ("a", "b")) for i in range(2000)]
    assert 0.2 < sum(both) / 2000 < 0.3


def test_where_nothing_fits_nothing_is_made_up() -> None:
    assert routed(asking(), rule("nobody's", "own", capabilities=[Capability.CAPABILITY_CODE])) == []
