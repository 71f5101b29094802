"""A model as the catalogue knows it, and what an answer of it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from parlance.v1.turn_pb2 import Tier
from services.llm.provider import Usage

# Of one million tokens at one dollar, each token costs so many dollars / 1e9.
_NANOS_A_TOKEN = Decimal(1000)
# And of a thousand searches at one dollar, each costs so many.
_NANOS_A_SEARCH = Decimal(1_000_000)
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens, for a thousand of the vendor's own web searches and for a second of sound, from
    the day `since` on. No model here takes sound yet, so nothing is billed by the last."""

    since: date
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    web_search: Decimal = Decimal(0)
    audio_second: Decimal = Decimal(0)
    # Of what is kept for an hour; None: as `cache_write`.
    cache_write_1h: Decimal | None = None

    @property
    def free(self) -> bool:
        """Nothing of it costs anything: a model of one's own."""
        return not any(
            (self.input, self.output, self.cache_read, self.cache_write, self.web_search, self.cache_write_1h)
        )


@dataclass(frozen=True, slots=True)
class Model:
    """`name`: "provider:model", as routes name it; `wire_name`: what its server calls it. `speaks_as`: whose answer it
    is said to be ("Claude"). `capabilities`: of CAPABILITIES. `retention_days`: -1 where the vendor does not tell.
    `settings`: what its provider is made with."""

    name: str
    wire_name: str
    vendor: str
    speaks_as: str
    tier: Tier.ValueType
    context_tokens: int
    max_output_tokens: int
    capabilities: frozenset[str]
    prices: tuple[Prices, ...]
    residency: frozenset[str] = frozenset()
    retention_days: int = -1
    shuts_down: date | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def prices_on(self, day: date) -> Prices | None:
        """Those in force; None before the first ones."""
        return max((p for p in self.prices if p.since <= day), key=lambda p: p.since, default=None)


# What a model may be able to do: the names of Capability, and what a request may hold ("schema": an answer that fits a
# JSON Schema; "thinking": an effort).
CAPABILITIES = ("chat", "tools", "web", "code", "vision", "summary", "schema", "thinking")


def cost_nanos(prices: Prices, usage: Usage) -> int:
    """US dollars / 1e9, to the nearest one."""
    if prices.free:
        return 0
    plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    hour = usage.cache_write_1h_tokens
    for_an_hour = prices.cache_write if prices.cache_write_1h is None else prices.cache_write_1h
    dollars = (
        plain * prices.input
        + usage.cache_read_tokens * prices.cache_read
        + (usage.cache_write_tokens - hour) * prices.cache_write
        + hour * for_an_hour
        + usage.output_tokens * prices.output
    )
    nanos = dollars * _NANOS_A_TOKEN + usage.web_searches * prices.web_search * _NANOS_A_SEARCH
    return int(nanos.to_integral_value(ROUND_HALF_EVEN))


def day_of(us: int) -> date:
    """The day of UTC, of microseconds."""
    return _day(us // _DAY_US)


@lru_cache(maxsize=64)
def _day(number: int) -> date:
    return datetime.fromtimestamp(number * _DAY_US / 1e6, UTC).date()
