"""A machine whose clock is far from the broker's: noticed by acknowledgements, told once, followed where asked for."""

import asyncio
import logging
import time
from collections.abc import Iterator

import pytest

from parlance import clock, kafka_clock
from parlance.kafka_address import parse
from parlance.kafka_clock import BrokerClock

ADDRESS = parse("kafka://127.0.0.1:1")
MINUTES = 300_000_000


@pytest.fixture(autouse=True)
def _own_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kafka_clock, "_LOOK_S", 0.0)
    yield
    clock.use(None)


def stamp(off_us: int = 0) -> int:
    """What a broker whose clock is so far ahead of the system's writes now: whole milliseconds."""
    return (time.time_ns() // 1000 + off_us) // 1000 * 1000


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("off_us", [0, 3_000_000, -3_000_000])
async def test_small_differences_have_no_effect(off_us: int, caplog: pytest.LogCaptureFixture) -> None:
    followed = BrokerClock(ADDRESS, follows=True)
    followed.stamped(stamp(off_us), now())
    assert abs(clock.now_us() - stamp()) < 1_000_000 and not caplog.records


@pytest.mark.parametrize(("off_us", "word"), [(MINUTES, "behind"), (-MINUTES, "ahead of")])
async def test_who_shares_deadlines_goes_by_the_brokers_clock_and_says_so(
    off_us: int, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    followed = BrokerClock(ADDRESS, follows=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            followed.stamped(stamp(off_us), now())
    assert abs(clock.now_us() - stamp(off_us)) < 1_000_000
    (told,) = [r.getMessage() for r in caplog.records]
    assert (
        f"this machine's clock is 300 s {word} that of Kafka at kafka://127.0.0.1:1: Parlance goes by Kafka's" in told
    )


async def test_who_has_its_deadlines_to_itself_keeps_its_clock_and_tells_the_difference_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alone = BrokerClock(ADDRESS, follows=False)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            alone.stamped(stamp(MINUTES), now())
    assert abs(clock.now_us() - stamp()) < 1_000_000 and len(caplog.records) == 1


@pytest.mark.parametrize("off_us", [-20_000_000, -1_000_000])
async def test_a_record_that_waited_long_for_its_acknowledgement_proves_nothing(off_us: int) -> None:
    """The broker was away, or slow to answer: it may have stamped at any moment since."""
    followed = BrokerClock(ADDRESS, follows=True)
    followed.stamped(stamp(off_us), now() - 30)
    assert abs(clock.now_us() - stamp()) < 1_000_000
