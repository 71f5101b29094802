"""Who is asked, in which order, and why each other one is not. A pure function of the question, its user, the route and
what is known."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from parlance.codes import code_of
from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.llm_service_pb2 import AnswerRequest, Role
from parlance.v1.turn_pb2 import Capability, Consent, ErrorCode, Label, Tier
from services.llm.choice import Choice, Known
from services.llm.estimate import input_tokens, most_nanos
from services.llm.model import Model

# The rule of a route without rules, and that of a target that was asked for past them.
DEFAULT, ASKED = "default", "asked"
_NONE, _WRONG = ErrorCode.ERROR_CODE_UNSPECIFIED, ErrorCode.ERROR_CODE_INVALID_REQUEST
_UNAVAILABLE = ErrorCode.ERROR_CODE_UNAVAILABLE
# Looked up once: an enum's names cost as much as all else that is asked of a message.
_TOOL = Role.ROLE_TOOL
_HERE, _PRIVATE, _PARTNER = Tier.TIER_DEVICE, Tier.TIER_PRIVATE, Tier.TIER_PARTNER
_FORBIDDEN, _SPENT = ErrorCode.ERROR_CODE_PERMISSION_DENIED, ErrorCode.ERROR_CODE_QUOTA_EXHAUSTED
_NEVER, _ALWAYS = Consent.CONSENT_NEVER, Consent.CONSENT_ALWAYS
Kinds = frozenset[Capability.ValueType]
# A reason for each thing that a model may not be able to do.
_CANNOT = {
    "chat": "it does not hold conversations",
    "tools": "it calls no tools",
    "web": "it does not look into the web",
    "code": "it is not for code",
    "vision": "it sees no images",
    "summary": "it writes no summaries",
    "schema": "it cannot keep to a JSON Schema",
}


def rules_of(route: RouteSet) -> Sequence[LlmRule]:
    """The rules of a route; of one that names a target alone, the one that sends everything there."""
    if route.rules:
        return route.rules
    target = LlmTarget(target=route.target, settings=dict(route.settings))
    return [LlmRule(name=DEFAULT, targets=[target])]


def choices(request: AnswerRequest, user: str, route: RouteSet, known: Known) -> list[Choice]:
    """All targets of the rules that fit, in the order of asking, each with why it is passed over, if it is. None: no
    rule of the route is for such a question."""
    asked = kinds(request)
    ask = _Ask(request, user, known, input_tokens(request), _needs(request, asked))
    made: list[Choice] = []
    for rule, target in _wanted(ask, asked, route):
        choice = _choice(ask, rule, target)
        if not choice.passed_over and (before := _again(made, target)):
            choice = replace(choice, passed_over=f"the rule '{before.rule.name}' has it", code=_WRONG)
        made.append(choice)
    return made


def in_share(rule: LlmRule, user: str) -> bool:
    """Whether a rule is for this user: always the same ones, in all replicas. A share that grows keeps its users."""
    if not 0 < rule.share < 100:
        return True
    digest = hashlib.sha256(f"{rule.name}\0{user}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < rule.share


def kinds(request: AnswerRequest) -> Kinds:
    """What is asked for: a rule for any of it fits."""
    found = {request.capability or Capability.CAPABILITY_CHAT}
    if any(message.images for message in request.messages):
        found.add(Capability.CAPABILITY_VISION)
    if request.tools:
        found.add(Capability.CAPABILITY_TOOLS)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Ask:
    """`tokens`: an upper estimate of what is read; `needs`: what a model must be able to do."""

    request: AnswerRequest
    user: str
    known: Known
    tokens: int
    needs: frozenset[str]


def _wanted(ask: _Ask, asked: Kinds, route: RouteSet) -> Iterator[tuple[LlmRule, LlmTarget]]:
    rules = rules_of(route)
    if ask.request.target:
        yield _asked(ask.request.target, rules)
        return
    for rule in rules:
        if (not rule.capabilities or asked & set(rule.capabilities)) and in_share(rule, ask.user):
            for target in rule.targets:
                yield rule, target


def _asked(name: str, rules: Sequence[LlmRule]) -> tuple[LlmRule, LlmTarget]:
    """A target that a rule of the route has is asked as there: with its settings, ceiling and budget."""
    for rule in rules:
        for target in rule.targets:
            if target.target == name:
                return rule, target
    target = LlmTarget(target=name)
    return LlmRule(name=ASKED, targets=[target]), target


def _needs(request: AnswerRequest, asked: Kinds) -> frozenset[str]:
    found = {code_of(Capability, kind) for kind in asked}
    if any(message.tool_calls or message.role == _TOOL for message in request.messages):
        found.add("tools")
    if request.output_schema:
        found.add("schema")
    return frozenset(found)


def _again(made: Sequence[Choice], target: LlmTarget) -> Choice | None:
    """Where the same target stands already."""
    same = (c for c in made if not c.passed_over and c.target.target == target.target)
    return next((c for c in same if dict(c.target.settings) == dict(target.settings)), None)


def _choice(ask: _Ask, rule: LlmRule, target: LlmTarget) -> Choice:
    models, today = ask.known.models, ask.known.today
    model = models.find(target)
    if model is None:
        return Choice(target, rule, None, passed_over=models.missing(target), code=_WRONG)
    for_an_hour = (target.settings.get("cache") or model.settings.get("cache")) == "1h"
    most = most_nanos(ask.request, ask.tokens, model, today, for_an_hour)
    if most is None:
        told = f"the catalogue has no price of it for {today}"
        return Choice(target, rule, model, passed_over=told, code=_WRONG)
    over, code = next((found for found in _reasons(ask, rule, model, most) if found[0]), ("", _NONE))
    asks_first = not over and _asks_first(ask, rule, model)
    return Choice(target, rule, model, most, passed_over=over, code=code, needs_consent=asks_first)


def _reasons(ask: _Ask, rule: LlmRule, model: Model, most: int) -> Iterator[tuple[str, ErrorCode.ValueType]]:
    """Why a target is passed over, "" for each thing that is no reason."""
    yield _unfit(ask, model), _WRONG
    yield _far(ask, rule, model), _FORBIDDEN
    yield _unnamed(ask, model), _UNAVAILABLE
    yield ask.known.broken(model.name), _UNAVAILABLE
    yield ask.known.unaffordable(ask.user, rule, most), _SPENT


def _unfit(ask: _Ask, model: Model) -> str:
    """Why a model cannot answer this question; "": it can."""
    if lacks := sorted(ask.needs - model.capabilities):
        return " and ".join(_CANNOT[name] for name in lacks)
    if model.shuts_down is not None and model.shuts_down <= ask.known.today:
        return f"its vendor has shut it down on {model.shuts_down}"
    room = min(ask.request.max_output_tokens, model.max_output_tokens)
    if ask.tokens + room > model.context_tokens:
        return (
            f"the question may be too long: about {ask.tokens} tokens and {room} for the answer, of "
            f"{model.context_tokens} that it can hold"
        )
    return ""


def _far(ask: _Ask, rule: LlmRule, model: Model) -> str:
    """Why a question may not go so far; "": it may, or its user can let it."""
    if model.tier == _HERE:
        return ""
    if ask.request.label == Label.LABEL_DEVICE_ONLY:
        return f"this may not leave the device, and it is {_tier(model)}"
    if rule.residency and rule.residency not in model.residency:
        return f"it does not promise to work in '{rule.residency}' alone"
    if model.vendor in ask.request.refused:
        return f"the user does not let {model.vendor} see this"
    never = ask.known.consent(ask.user, model.vendor) == _NEVER
    return f"the user said never to {model.vendor}" if never and not _let_now(ask, model) else ""


def _unnamed(ask: _Ask, model: Model) -> str:
    """What a partner may see has placeholders for all whom it names."""
    if model.tier < _PARTNER or not ask.request.names_unknown:
        return ""
    return "it is a partner, and whom the question names cannot be looked up: context is out of reach"


def _asks_first(ask: _Ask, rule: LlmRule, model: Model) -> bool:
    """The target is beyond the ceiling, and the user has not said yet."""
    if model.tier <= (rule.ceiling or _PRIVATE) or _let_now(ask, model):
        return False
    return ask.known.consent(ask.user, model.vendor) != _ALWAYS


def _let_now(ask: _Ask, model: Model) -> bool:
    return model.vendor in ask.request.consents


def _tier(model: Model) -> str:
    tier = Tier.Name(model.tier).removeprefix("TIER_").lower()
    return {"house": "in one's own cloud", "private": "in a private cloud", "partner": "a partner"}[tier]
