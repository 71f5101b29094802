"""How long who asked waits for the first sound: what Prometheus is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from parlance import metrics
from parlance.bus_journal import JournalBus
from parlance.events import EVENT_CLASSES, topic_of
from parlance.history import History
from parlance.privacy import Keys, Sealing
from parlance.routes import Routes
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.gateway_service_pb2 import ConverseRequest, Hello, Text
from parlance.v1.turn_pb2 import MODALITY_UNASKED, Header
from services.gateway.parts import Parts
from tests.unit.test_gateway_door import Voice
from tests.unit.test_gateway_runs import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    bus, sealing = JournalBus(tmp_path / "journal.db"), Sealing(Keys(tmp_path / "keys.json"))
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    made = Desk(Parts(bus, sealing, DirectCarrier({"Tts": Voice()}), Routes(bus), History(bus, sealing)))
    ready = asyncio.Event()
    running = asyncio.ensure_future(made.service.run(ready))
    await ready.wait()
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bus.stop()


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    monkeypatch.setattr(metrics, "sounded", lambda modality, seconds: found.append((modality, seconds)))
    return found


async def _until_audio(desk: Desk, **changed: Any) -> None:
    """Somebody types; the answer comes 0.1 s later. `changed`: what differs in its header."""

    async def requests() -> AsyncIterator[ConverseRequest]:
        yield ConverseRequest(hello=Hello())
        yield ConverseRequest(text=Text(text="what time is it"))
        await asyncio.Event().wait()

    async with asyncio.timeout(5), aclosing(desk.service.converse(requests(), Call("", Header()))) as messages:
        async for message in messages:
            if message.WhichOneof("message") == "accepted":
                (asked,) = [e for e in await desk.session_events() if e.WhichOneof("event") == "accepted"]
                header = asked.header
                header.MergeFrom(Header(**changed))
                await asyncio.sleep(0.1)
                await desk.say(header, "Ten to nine.")
            elif message.WhichOneof("message") == "audio":
                return


async def test_it_is_told_once_from_the_question_to_the_first_sound(
    desk: Desk, waited: list[tuple[str, float]]
) -> None:
    await _until_audio(desk)
    ((modality, seconds),) = waited
    assert modality == "typed" and 0.1 <= seconds < 4


async def test_nobody_waits_for_what_is_said_unasked(desk: Desk, waited: list[tuple[str, float]]) -> None:
    await _until_audio(desk, modality=MODALITY_UNASKED)
    assert waited == []
