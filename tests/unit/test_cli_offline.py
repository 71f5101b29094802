"""What the command line reads of a log in which others have written what is no event."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlance import cli_doctor, clock
from parlance.bus import Out, Record
from parlance.bus_journal import JournalBus
from parlance.cli_offline import Offline
from parlance.config import Config, load
from parlance.deadletters import dead_letter, no_event
from parlance.errors import Internal, InvalidRequest
from parlance.events import dead_topic, declared, to_bytes, wrap
from parlance.routes import CONTROL
from parlance.v1.control_pb2 import ControlEvent, RouteSet
from parlance.v1.gateway_service_pb2 import ListRoutesRequest
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import Header

JUNK = b"\xff\xff no event"
DEAD = dead_topic("intent").name


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("PARLANCE_HOME", str(tmp_path))
    return load()


@pytest.fixture
async def bus(config: Config) -> AsyncIterator[JournalBus]:
    made = JournalBus(config.journal)
    made.declare(declared())
    await made.start()
    yield made
    await made.stop()


async def test_a_dead_letter_that_is_none_is_listed_as_what_it_is(bus: JournalBus, config: Config) -> None:
    event = to_bytes(wrap(SessionEvent, Header(event_id="e"), TurnAccepted()))
    good = dead_letter("intent", Record("session.v1", 1, 7, 0, b"k", event), Internal("why"), 3, "")
    for value in (JUNK, b"", good.value):
        await bus.publish(Out(DEAD, 0, b"", value))
    found = dict(await Offline(config).letters())
    assert len(found) == 3
    letters = sorted(found.values(), key=lambda letter: (letter.topic, letter.offset))
    assert [(d.topic, d.value) for d in letters] == [(DEAD, JUNK), (DEAD, b""), ("session.v1", event)]
    assert "another program or a newer Parlance" in letters[0].error.message and letters[0].died_at_us


@pytest.mark.parametrize("value", [JUNK, b""])
async def test_what_no_stage_can_read_is_not_handed_to_one(bus: JournalBus, config: Config, value: bytes) -> None:
    record = Record("session.v1", 1, 7, 0, b"k", value)
    await bus.publish(dead_letter("intent", record, no_event("session.v1"), 1, ""))
    (name, _), *_ = await Offline(config).letters()
    with pytest.raises(InvalidRequest, match=f"{name} cannot be handled: no event of session.v1"):
        await Offline(config).replay_letter(name)
    assert await bus.end(CONTROL, 0) == 0


async def test_routes_are_told_beside_what_is_no_route(bus: JournalBus, config: Config) -> None:
    await bus.publish(Out(CONTROL, 0, b"x", JUNK))
    route = RouteSet(stage="tts", target="tone:", version="v1")
    await bus.publish(Out(CONTROL, 0, b"route/tts/current", to_bytes(wrap(ControlEvent, Header(event_id="e"), route))))
    told = await Offline(config).answer("ListRoutes", ListRoutesRequest())
    assert {r.stage: r.target for r in told.routes}["tts"] == "tone:"


async def test_the_doctor_sees_that_this_machine_is_behind_the_log(bus: JournalBus) -> None:
    assert await cli_doctor.behind(bus) == 0
    clock.use(lambda: time.time_ns() // 1000 + 300_000_000)
    await bus.publish(Out("session.v1", 2, b"", JUNK))
    clock.use(None)
    assert 290_000_000 < await cli_doctor.behind(bus) <= 300_000_000
