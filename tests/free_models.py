"""A catalogue that knows every model, as one of this machine that costs nothing: for providers that only a test has."""

from datetime import date
from decimal import Decimal

from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.turn_pb2 import TIER_DEVICE
from services.llm.model import CAPABILITIES, Model, Prices

_FREE = (Prices(date(1970, 1, 1), Decimal(0), Decimal(0), Decimal(0), Decimal(0)),)


class FreeModels:
    version = "sha256:free"

    def find(self, target: LlmTarget) -> Model | None:
        name = target.target
        return Model(
            name=name,
            wire_name=name.partition(":")[2],
            vendor=name.partition(":")[0],
            speaks_as="",
            tier=TIER_DEVICE,
            context_tokens=1_000_000,
            max_output_tokens=100_000,
            capabilities=frozenset(CAPABILITIES),
            prices=_FREE,
        )

    def missing(self, target: LlmTarget) -> str:
        return ""
