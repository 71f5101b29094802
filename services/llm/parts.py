"""What the service knows beside its routes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from parlance import clock
from parlance.v1.turn_pb2 import Consent, Header
from services.llm import catalogue
from services.llm.attempt import Limits
from services.llm.breaker import Breaker
from services.llm.choice import Models
from services.llm.spending import Spending


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


async def _nothing() -> None:
    pass


async def _forget(header: Header, vendor: str, consent: Consent.ValueType) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Parts:
    """`consent`: what a user has said of a vendor (`consents`: of each), which `remember` keeps; `follow` returns once
    `spending` knows what the log says of this month, and hears of what others spend from then on."""

    limits: Limits = field(default_factory=Limits)
    models: Models = field(default_factory=catalogue.load)
    consent: Callable[[str, str], Consent.ValueType] = lambda user, vendor: Consent.CONSENT_UNSPECIFIED
    consents: Callable[[str], Mapping[str, Consent.ValueType]] = lambda user: {}
    remember: Callable[[Header, str, Consent.ValueType], Awaitable[None]] = _forget
    breaker: Breaker = field(default_factory=lambda: Breaker(_monotonic))
    spending: Spending = field(default_factory=lambda: Spending(clock.now_us))
    follow: Callable[[], Awaitable[None]] = _nothing
