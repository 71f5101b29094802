"""Made-up models, and what is known of them, for tests of the router."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role
from parlance.v1.turn_pb2 import Consent, Tier
from services.llm.choice import Choice, Known
from services.llm.model import Model, Prices
from services.llm.router import choices

TODAY = date(2026, 11, 30)
PRICES = (Prices(date(2026, 1, 1), Decimal(1), Decimal(10), Decimal("0.1"), Decimal("1.25")),)
EVERYTHING = frozenset({"chat", "tools", "web", "code", "vision", "summary", "schema"})


def model(name: str, tier: str, **fields: Any) -> Model:
    made = Model(name, name, name, name.title(), Tier.Value(f"TIER_{tier}"), 100_000, 1000, EVERYTHING, PRICES)
    return replace(made, **fields)


MODELS = {
    m.name: m
    for m in (model("own", "DEVICE"), model("house", "HOUSE"), model("cloud", "PRIVATE"), model("far", "PARTNER"))
}


class Catalogue:
    version = "sha256:0"

    def __init__(self, *models: Model) -> None:
        self._models = MODELS | {m.name: m for m in models}

    def find(self, target: LlmTarget) -> Model | None:
        return self._models.get(target.target)

    def missing(self, target: LlmTarget) -> str:
        return "" if target.target in self._models else f"the catalogue does not know '{target.target}'"


def known(
    *models: Model,
    consent: Consent.ValueType = Consent.CONSENT_UNSPECIFIED,
    broken: str = "",
    unaffordable: Callable[[str, LlmRule, int], str] = lambda user, rule, nanos: "",
) -> Known:
    """`broken`: the name of the target that is not asked just now."""
    return Known(
        models=Catalogue(*models),
        today=TODAY,
        consent=lambda user, vendor: consent,
        broken=lambda name: "it failed three times" if name == broken else "",
        unaffordable=unaffordable,
    )


def rule(name: str, *targets: str, **fields: Any) -> LlmRule:
    return LlmRule(name=name, targets=[LlmTarget(target=t) for t in targets], **fields)


def asking(text: str = "what is a quark", **fields: Any) -> AnswerRequest:
    fields.setdefault("messages", [ChatMessage(role=Role.ROLE_USER, text=text)])
    return AnswerRequest(**fields)


def routed(request: AnswerRequest, *rules: LlmRule, user: str = "anna", what: Known | None = None) -> list[Choice]:
    return choices(request, user, RouteSet(stage="llm", version="v3", rules=rules), what or known())


def names(made: list[Choice]) -> list[str]:
    """Who is asked, in order; "?" after who needs the user's word."""
    return [c.target.target + "?" * c.needs_consent for c in made if not c.passed_over]


def why_not(made: list[Choice], name: str) -> str:
    return next(c.passed_over for c in made if c.target.target == name)
