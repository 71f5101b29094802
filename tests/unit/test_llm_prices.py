"""Our prices beside those of genai-prices, which nobody here wrote. Run with -s to read the differences."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import data_snapshot

from services.llm import catalogue
from services.llm.model import Model, Prices

# The share by which a price may differ before somebody must look: none, for both tell list prices.
TOLERANCE = Decimal(0)
# Where we differ on purpose: (model, price) -> why.
KNOWN: dict[tuple[str, str], str] = {}
_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}
_VENDORS = ("anthropic", "openai", "google")


def of_vendors() -> list[Model]:
    return [m for m in catalogue.load().models if m.name.partition(":")[0] in _VENDORS]


def oracle(model: Model) -> Any:
    vendors = {p.id: p for p in data_snapshot.get_snapshot().providers}
    return next(m for m in vendors[model.vendor].models if m.id == model.wire_name)


def told(model: Model, day: date) -> Any:
    """The prices that the oracle has for a day."""
    prices = oracle(model).prices
    if not isinstance(prices, list):
        return prices
    starts = [(getattr(one.constraint, "start_date", date.min), one.prices) for one in prices]
    return max((s for s in starts if s[0] <= day), key=lambda s: s[0])[1]


def differences(model: Model, ours: Prices) -> Iterator[tuple[str, Decimal, Decimal]]:
    theirs = told(model, ours.since)
    for name, field in _FIELDS.items():
        said = getattr(theirs, field)
        if said is None:  # no price of its own: it is read, or written, like everything else
            said = theirs.input_mtok
        expected, mine = getattr(said, "base", said), getattr(ours, name)
        if abs(mine - expected) > TOLERANCE * expected:
            yield name, mine, expected


@pytest.mark.parametrize("model", of_vendors(), ids=lambda m: m.name)
def test_prices_are_those_that_others_tell_of_the_vendor(model: Model) -> None:
    found = [(p.since, *d) for p in model.prices for d in differences(model, p)]
    for since, name, mine, expected in found:
        print(f"{model.name} from {since}: {name} {mine} here, {expected} there; {KNOWN.get((model.name, name), '?')}")
    assert [f for f in found if (model.name, f[1]) not in KNOWN] == []


@pytest.mark.parametrize("model", of_vendors(), ids=lambda m: m.name)
def test_no_price_that_is_announced_is_missing(model: Model) -> None:
    prices = oracle(model).prices
    if isinstance(prices, list):
        starts = {getattr(one.constraint, "start_date", date.min) for one in prices}
        known = {p.since for p in model.prices}
        assert {s for s in starts if s > min(known)} <= known


@pytest.mark.parametrize("model", of_vendors(), ids=lambda m: m.name)
def test_no_request_is_so_long_that_it_costs_another_price(model: Model) -> None:
    tiers = getattr(told(model, model.prices[-1].since).input_mtok, "tiers", [])
    assert all(model.context_tokens <= tier.start for tier in tiers)


def test_what_differs_on_purpose_still_differs() -> None:
    found = {(m.name, d[0]) for m in of_vendors() for p in m.prices for d in differences(m, p)}
    assert KNOWN.keys() <= found


def test_before_its_first_price_a_model_has_none() -> None:
    assert all(m.prices_on(m.prices[0].since - timedelta(days=1)) is None for m in of_vendors())
