"""What the router says of a target, and what it must know to say it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from parlance.v1.control_pb2 import LlmRule, LlmTarget
from parlance.v1.turn_pb2 import Consent, ErrorCode
from services.llm.model import Model


@dataclass(frozen=True, slots=True)
class Choice:
    """A target of the route, in the order of asking. `passed_over`: why it is not asked; "": it is. `most_nanos`: the
    most that the answer may cost there. `model`: None where the catalogue has none (passed over for that)."""

    target: LlmTarget
    rule: LlmRule
    model: Model | None
    most_nanos: int = 0
    passed_over: str = ""
    # What an asker is told where nobody else is left.
    code: ErrorCode.ValueType = ErrorCode.ERROR_CODE_UNSPECIFIED
    needs_consent: bool = False


class Models(Protocol):
    """The catalogue."""

    # "sha256:..." of what it says.
    version: str

    def find(self, target: LlmTarget) -> Model | None: ...

    # Why there is none, and what mends it.
    def missing(self, target: LlmTarget) -> str: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the question and the route. `consent`: what a user said of a vendor; `broken`: why a target
    (by its name) is not asked just now, "" where it is; `unaffordable`: why so many nanos cannot be spent by a user
    under a rule, "" where they can."""

    models: Models
    today: date
    consent: Callable[[str, str], Consent.ValueType]
    broken: Callable[[str], str]
    unaffordable: Callable[[str, LlmRule, int], str]
