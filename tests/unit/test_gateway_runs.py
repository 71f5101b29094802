"""The door keeps runs apart: their sessions, their ids, and who hears what."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from parlance import ids
from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, TOPICS, parse, topic_of, wrap
from parlance.history import History
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.routes import Routes
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.gateway_service_pb2 import ConverseRequest, Hello, Text
from parlance.v1.reply_pb2 import ReplyClause, ReplyEvent
from parlance.v1.turn_pb2 import Header
from services.gateway.parts import Parts
from services.gateway.service import GatewayService


class Desk:
    """A gateway on a journal of its own; the test plays dialogue."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.service = parts, GatewayService(parts)

    async def session_events(self) -> list[Any]:
        """Of sessions; that the gateway has started belongs to none."""
        await self.parts.bus.flush()
        partitions = range(TOPICS["session.v1"].partitions)
        records = [r for p in partitions for r in await self.parts.bus.read("session.v1", p, 0)]
        events = [self.parts.sealing.open(parse(r.topic, r.value)) for r in records]
        return [event for event in events if not event.HasField("started")]

    def _clause(self, header: Header, text: str) -> Out:
        event = wrap(ReplyEvent, header, ReplyClause(text=text))
        event.header.event_id = ids.new()
        return record_of(event, self.parts.sealing.seal)

    async def say(self, header: Header, text: str) -> None:
        await self.parts.bus.publish(self._clause(header, text))

    def reply(self, header: Header, text: str) -> None:
        """As `say`, without waiting until the log has it."""
        self.parts.bus.append([self._clause(header, text)])

    @asynccontextmanager
    async def device(self, *texts: Text, **hello: Any) -> AsyncIterator[AsyncGenerator[Any, None]]:
        async def requests() -> AsyncIterator[ConverseRequest]:
            yield ConverseRequest(hello=Hello(mute=True, **hello))
            for text in texts:
                yield ConverseRequest(text=text)
            await asyncio.Event().wait()

        messages = self.service.converse(requests(), Call("", Header()))
        try:
            yield messages
        finally:
            await messages.aclose()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    bus, sealing = JournalBus(tmp_path / "journal.db"), Sealing(Keys(tmp_path / "keys.json"))
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    made = Desk(Parts(bus, sealing, DirectCarrier({}), Routes(bus), History(bus, sealing)))
    ready = asyncio.Event()
    running = asyncio.ensure_future(made.service.run(ready))
    await ready.wait()
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bus.stop()


async def test_a_turn_of_a_run_carries_it_and_ids_that_derive_from_it(desk: Desk) -> None:
    async with desk.device(Text(text="hello", name="7"), session_id="home", run="run-1") as device:
        ready, accepted = (await anext(device)).ready, (await anext(device)).accepted
    session = ids.derived("run-1", "home")
    assert ready.session_id == session and accepted.turn_id == ids.derived("run-1", session, "7")
    events = await desk.session_events()
    header = next(e.header for e in events if e.WhichOneof("event") == "accepted")
    assert (header.run, header.session_id) == ("run-1", session)
    assert header.event_id == ids.event_id("run-1", accepted.turn_id, "TurnAccepted")
    assert {e.header.run for e in events} == {"run-1"}, "nobody is told to be there for what is said unasked"


async def test_a_live_turn_is_not_named_by_its_client(desk: Desk) -> None:
    async with desk.device(Text(text="hello", name="7"), session_id="home") as device:
        session = (await anext(device)).ready.session_id
        accepted = (await anext(device)).accepted
    assert session == "home" and accepted.turn_id != ids.derived("", session, "7")


async def test_each_hears_what_is_said_to_it_alone(desk: Desk) -> None:
    """Also where a live device calls its session as a run's is called."""
    of_run = ids.derived("run-1", "home")
    async with (
        desk.device(Text(text="hello"), session_id="home", device_id="d", run="run-1") as run,
        desk.device(Text(text="hello"), session_id=of_run, device_id="d") as live,
    ):
        turns = {}
        for name, device in (("run", run), ("live", live)):
            await anext(device)
            turns[name] = (await anext(device)).accepted.turn_id
        to_live = Header(session_id=of_run, device_id="d", turn_id=turns["live"])
        to_run = Header(session_id=of_run, device_id="d", turn_id=turns["run"], run="run-1")
        await desk.say(to_run, "to the run")
        await desk.say(to_live, "to the user")
        async with asyncio.timeout(5):
            assert (await anext(live)).clause.text == "to the user"
            assert (await anext(run)).clause.text == "to the run"


async def test_a_run_with_an_endless_name_is_refused(desk: Desk) -> None:
    async with desk.device(run="x" * 300) as device:
        with pytest.raises(InvalidRequest, match="a run or a person has at most 200"):
            await anext(device)


async def test_a_turn_of_a_run_is_asked_when_and_by_whom_it_says(desk: Desk) -> None:
    then = 1_700_000_000_000_000
    async with desk.device(Text(text="hello", as_of_us=then), run="run-1", person="anna") as device:
        await anext(device)
        await anext(device)
    header = next(e.header for e in await desk.session_events() if e.WhichOneof("event") == "accepted")
    assert (header.as_of_us, header.person) == (then, "anna")
    assert header.deadline_us == header.asked_at_us + 30_000_000 and header.asked_at_us > then


@pytest.mark.parametrize(("run", "as_of_us"), [("", 1), ("run-1", -1), ("run-1", 1 << 62)])
async def test_a_moment_that_makes_no_sense_is_told(desk: Desk, run: str, as_of_us: int) -> None:
    async with desk.device(Text(text="hello", as_of_us=as_of_us), run=run) as device:
        await anext(device)
        problem = (await anext(device)).problem
    assert problem.error.message.startswith("as_of_us")
    assert not [e for e in await desk.session_events() if e.WhichOneof("event") == "accepted"]


async def test_whoever_asks_live_names_no_person(desk: Desk) -> None:
    async with desk.device(person="anna") as device:
        with pytest.raises(InvalidRequest, match="in runs alone"):
            await anext(device)
