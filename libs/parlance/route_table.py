"""The table of rules by which language models are asked, and what an operator does to it. Pure: a table in, a table
out. Whether its targets can run is for llm to say (Llm.CheckLlmRoute)."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import Budget, LlmRule, LlmTarget, RouteSet
from parlance.v1.turn_pb2 import Capability, Tier

T = TypeVar("T")
# The rule for whatever is asked for.
BASE = "default"
# What a rule may be for, and how far a question may go, as an operator writes it.
CAPABILITIES = {Capability.Name(c).removeprefix("CAPABILITY_").lower(): c for c in Capability.values() if c}
TIERS = {Tier.Name(t).removeprefix("TIER_").lower(): t for t in Tier.values() if t}
# Whoever names this region means: anywhere.
ANYWHERE = "any"
_NANOS = Decimal(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Edit:
    """What `parlance routes set llm` says. None: as it was. `share`: per cent, None: all; `first_s`, `next_s` and
    `hedge_s`: of every target; `day`, `month`: US dollars, 0: without limit."""

    target: str
    settings: Mapping[str, str] = field(default_factory=dict)
    then: Sequence[str] = ()
    share: int | None = None
    capabilities: Sequence[str] = ()
    name: str = ""
    ceiling: str | None = None
    residency: str | None = None
    day: Decimal | None = None
    month: Decimal | None = None
    first_s: Decimal | None = None
    next_s: Decimal | None = None
    hedge_s: Decimal | None = None


def rules_of(route: RouteSet) -> list[LlmRule]:
    """Copies of its rules; of a route that names a target alone, the one that sends everything there."""
    made = [LlmRule() for _ in route.rules]
    for rule, of in zip(made, route.rules, strict=True):
        rule.CopyFrom(of)
    target = LlmTarget(target=route.target, settings=dict(route.settings))
    return made or [LlmRule(name=BASE, targets=[target])]


def with_rule(route: RouteSet, edit: Edit) -> RouteSet:
    """A rule of that name is changed where it stands. Otherwise a share goes before the rule for the same capabilities,
    and all else takes that rule's place, with its budget where nothing else is said. Rules for some capabilities stand
    before those for whatever is asked for. A new rule has the ceiling and the region of the one that it is taken from.

    Raises InvalidRequest where a capability, a tier or a number makes no sense."""
    rules, wanted = rules_of(route), _capabilities(edit.capabilities)
    partial = edit.share is not None and _checked_share(edit.share) < 100
    base = _base(rules, wanted)
    name = edit.name or (f"{_name(wanted)}/{edit.target}" if partial else base.name if base else _name(wanted))
    before = next((rule for rule in rules if rule.name == name), None)
    replaced = before or (None if partial else base)
    made = _rule(name, edit, replaced or _free(base or _base(rules, [])))
    made.targets.extend(_target(then, edit, _known_settings(rules, then)) for then in edit.then)
    if before is not None and edit.name and not edit.capabilities:
        made.capabilities[:] = before.capabilities
    else:
        made.capabilities[:] = wanted
    if not partial:  # who had it as a share has it now for all
        rules = [r for r in rules if r is before or not _same_share(r, wanted, edit.target)]
    return _route(route, _placed(rules, made, replaced))


def without_rule(route: RouteSet, name: str) -> RouteSet:
    """Raises InvalidRequest where there is no such rule, or no other that is for whatever is asked for."""
    rules = rules_of(route)
    if name not in [rule.name for rule in rules]:
        raise InvalidRequest(f"llm has no rule '{name}'{_near(name, [r.name for r in rules])}: parlance routes list")
    left = [rule for rule in rules if rule.name != name]
    if _base(left, []) is None:
        raise InvalidRequest(
            f"'{name}' answers what no other rule is for: set another one: parlance routes set llm TARGET"
        )
    return _route(route, left)


def with_budgets(
    route: RouteSet, deployment: Mapping[str, Decimal | None], user: Mapping[str, Decimal | None]
) -> RouteSet:
    """`deployment` and `user`: US dollars by "day" and "month"; None: as it was, 0: without limit."""
    made = _route(route, rules_of(route))
    _spend(made.budgets.deployment, deployment.get("day"), deployment.get("month"))
    _spend(made.budgets.user, user.get("day"), user.get("month"))
    for name in ("deployment", "user"):
        if not getattr(made.budgets, name).ByteSize():
            made.budgets.ClearField(name)
    if not made.budgets.ByteSize():
        made.ClearField("budgets")
    return made


def _free(rule: LlmRule | None) -> LlmRule:
    """What a new rule has of another one: where a question may go, and not whose money it spends."""
    return LlmRule(ceiling=rule.ceiling, residency=rule.residency) if rule is not None else LlmRule()


def _rule(name: str, edit: Edit, like: LlmRule) -> LlmRule:
    made = LlmRule()
    made.CopyFrom(like)
    made.name, made.share = name, edit.share if edit.share and edit.share < 100 else 0
    del made.targets[:]
    made.targets.append(_target(edit.target, edit, edit.settings))
    if edit.ceiling is not None:
        made.ceiling = one_of(edit.ceiling, TIERS, "a tier")
    if edit.residency is not None:
        made.residency = "" if edit.residency == ANYWHERE else edit.residency
    _spend(made.budget, edit.day, edit.month)
    if not made.budget.ByteSize():
        made.ClearField("budget")
    return made


def _target(name: str, edit: Edit, settings: Mapping[str, str]) -> LlmTarget:
    return LlmTarget(
        target=name,
        settings=dict(settings),
        first_ms=_ms(edit.first_s, "--first"),
        next_ms=_ms(edit.next_s, "--next"),
        hedge_ms=_ms(edit.hedge_s, "--hedge-after"),
    )


def _known_settings(rules: Sequence[LlmRule], name: str) -> dict[str, str]:
    """Those with which a target is asked already."""
    targets = [t for rule in rules for t in rule.targets if t.target == name]
    return dict(targets[0].settings) if targets else {}


def _placed(rules: Sequence[LlmRule], made: LlmRule, instead: LlmRule | None) -> list[LlmRule]:
    """In the place of `instead`; else before the whole rule of the same capabilities; else before those for more, or
    for whatever is asked for: what is narrower goes first."""
    if instead is not None:
        return [made if rule is instead else rule for rule in rules]
    own = set(made.capabilities)
    same = [n for n, rule in enumerate(rules) if set(rule.capabilities) == own and not rule.share]
    wider = [n for n, rule in enumerate(rules) if not rule.capabilities or own < set(rule.capabilities)]
    at = (same or (wider if own else []) or [len(rules)])[0]
    return [*rules[:at], made, *rules[at:]]


def _route(route: RouteSet, rules: Sequence[LlmRule]) -> RouteSet:
    """The target of a table is the first one of the rule for whatever is asked for: what shows one target shows it. A
    table that says no more than that has no rules."""
    made = RouteSet(stage=route.stage, version=route.version)
    made.budgets.CopyFrom(route.budgets)
    if not route.HasField("budgets"):
        made.ClearField("budgets")
    base = _base(rules, []) or rules[-1]
    made.target = base.targets[0].target
    made.settings.update(base.targets[0].settings)
    plain = LlmRule(name=BASE, targets=[LlmTarget(target=made.target, settings=dict(made.settings))])
    if list(rules) != [plain]:
        made.rules.extend(rules)
    return made


def _base(rules: Sequence[LlmRule], capabilities: Sequence[int]) -> LlmRule | None:
    """The rule for all users and just these capabilities."""
    return next((r for r in rules if set(r.capabilities) == set(capabilities) and not r.share), None)


def _same_share(rule: LlmRule, capabilities: Sequence[int], target: str) -> bool:
    return bool(rule.share) and set(rule.capabilities) == set(capabilities) and rule.targets[0].target == target


def _name(capabilities: Sequence[int]) -> str:
    names = [name for name, value in CAPABILITIES.items() if value in capabilities]
    return "+".join(names) or BASE


def _capabilities(names: Sequence[str]) -> list[Capability.ValueType]:
    found = {one_of(name, CAPABILITIES, "a capability") for name in names}
    return [value for value in CAPABILITIES.values() if value in found]


def one_of(name: str, known: Mapping[str, T], what: str) -> T:
    """The value of a name that an operator wrote. Raises InvalidRequest, with the nearest and all that there are."""
    if name.lower() not in known:
        raise InvalidRequest(f"'{name}' is not {what}{_near(name.lower(), list(known))}; known: {', '.join(known)}")
    return known[name.lower()]


def _checked_share(share: int) -> int:
    if not 1 <= share <= 100:
        raise InvalidRequest(
            f"a share is 1 to 100 per cent of the users, not {share}; 'parlance routes remove' ends a rule"
        )
    return share


def _spend(budget: Budget, day: Decimal | None, month: Decimal | None) -> None:
    for name, dollars in (("day_nanos", day), ("month_nanos", month)):
        if dollars is not None:
            if dollars < 0:
                raise InvalidRequest(f"a budget is US dollars, 0 for none, not {dollars}")
            setattr(budget, name, int(dollars * _NANOS))


def _ms(seconds: Decimal | None, option: str) -> int:
    if seconds is not None and not 0 < seconds <= 600:
        raise InvalidRequest(f"{option} is seconds, more than 0 and at most 600, not {seconds}")
    return int(seconds * 1000) if seconds is not None else 0


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""
