"""A service that starts before its broker: it waits, says so, and gives up in time; what waiting cannot mend it says at
once."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from parlance import starting
from parlance.bus import Bus
from parlance.errors import NotYet, ParlanceError, Unavailable


@dataclass
class Beginning:
    """A bus that starts at the attempt after as many errors; each attempt has one of its own."""

    errors: list[ParlanceError]
    made: list[Any] = field(default_factory=list)

    def make(self) -> starting.Made:
        self.made.append(self)
        return cast(Bus, self), None

    async def start(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_AGAIN_S", 0.02)


async def test_what_is_not_there_yet_is_waited_for_and_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    bus = Beginning([NotYet("no broker answers") for _ in range(5)])
    with caplog.at_level(logging.WARNING):
        found, _ = await starting.started(bus.make, 10, asyncio.Event())
    assert cast(Any, found) is bus and len(bus.made) == 6
    assert [r.getMessage() for r in caplog.records] == ["no broker answers; tried again for 10 s more"]


async def test_it_gives_up_in_time_with_the_reason() -> None:
    bus = Beginning([NotYet("no broker answers") for _ in range(1000)])
    began = asyncio.get_running_loop().time()
    with pytest.raises(NotYet, match="no broker answers"):
        await starting.started(bus.make, 0.3, asyncio.Event())
    assert 0.2 < asyncio.get_running_loop().time() - began < 3 and len(bus.made) > 2


async def test_what_waiting_does_not_mend_is_said_at_once() -> None:
    bus = Beginning([Unavailable("other partitions")])
    with pytest.raises(Unavailable, match="other partitions"):
        await starting.started(bus.make, 60, asyncio.Event())
    assert len(bus.made) == 1


async def test_it_can_be_ended_while_it_waits() -> None:
    bus, stop = Beginning([NotYet("no broker answers") for _ in range(10_000)]), asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stop.set)
    with pytest.raises(starting.Ended):
        await starting.started(bus.make, 60, stop)
