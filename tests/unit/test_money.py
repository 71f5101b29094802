"""Dollars as numbers that add up and as people read them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.money import dollars, shown


@pytest.mark.parametrize(
    ("nanos", "said"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (12_500_000_000, "12.50"),
        (1_234_567_890, "1.23456789"),
        (-100_000_000, "-0.10"),
        (2**63 - 1, "9223372036.854775807"),
    ],
)
def test_dollars_are_exact(nanos: int, said: str) -> None:
    assert dollars(nanos) == said


@given(st.integers(-(2**63), 2**63 - 1))
def test_nothing_is_lost_and_nothing_is_a_power_of_ten(nanos: int) -> None:
    assert int(Decimal(dollars(nanos)) * 10**9) == nanos and "E" not in dollars(nanos).upper()


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ((), []),
        ((0,), ["$0"]),
        ((12_345_678_900, 0), ["$12.35", "$0"]),
        ((1_234_567_000_000,), ["$1,234.57"]),
        ((4_200_000, 12_500_000_000), ["$0.0042", "$12.5000"]),
        ((99_600_000,), ["$0.100"]),
        ((420_000,), ["$0.00042"]),
        ((1_500,), ["$0.000002"]),
        ((999,), ["<$0.000001"]),
        ((-250_000_000,), ["-$0.25"]),
    ],
)
def test_a_column_shows_the_figures_of_its_smallest_amount(amounts: tuple[int, ...], said: list[str]) -> None:
    assert shown(*amounts) == said
