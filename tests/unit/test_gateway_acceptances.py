"""What is told of a turn before and after its acceptance is durable."""

import asyncio
from typing import Any

import pytest

from parlance import ids
from parlance.bus import Out
from parlance.errors import Unavailable
from parlance.v1.gateway_service_pb2 import Accepted, ConverseResponse, Text, Transcript
from parlance.v1.turn_pb2 import Header
from services.gateway.acceptances import Acceptances
from services.gateway.outbox import Outbox
from tests.unit.test_gateway_runs import Desk, desk

__all__ = ["desk"]


async def _told(outbox: Outbox) -> list[str]:
    outbox.close()
    return [f"{m.WhichOneof('message')}" async for m in outbox.drain()]


def _words(acceptances: Acceptances, turn_id: str) -> None:
    acceptances.words(turn_id, ConverseResponse(transcript=Transcript(turn_id=turn_id, text="hello")))


async def test_words_that_are_there_first_are_told_after_the_acceptance() -> None:
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    acceptances.add(Accepted(turn_id="a"))
    _words(acceptances, "a")
    assert "a" in acceptances
    acceptances.written("a")
    assert "a" not in acceptances
    assert await _told(outbox) == ["accepted", "transcript"]


async def test_an_acceptance_that_is_known_twice_is_told_once() -> None:
    """By the turn's reply, and then by the log."""
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    acceptances.add(Accepted(turn_id="a"))
    acceptances.written("a")
    acceptances.written("a")
    assert await _told(outbox) == ["accepted"]


async def test_words_that_come_later_are_told_at_once() -> None:
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    acceptances.add(Accepted(turn_id="a"))
    acceptances.written("a")
    _words(acceptances, "a")
    assert await _told(outbox) == ["accepted", "transcript"]


async def test_of_one_that_was_given_up_or_never_written_nothing_is_told() -> None:
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    for turn_id in ("a", "b"):
        acceptances.add(Accepted(turn_id=turn_id))
        _words(acceptances, turn_id)
    acceptances.give_up("a")
    acceptances.written("a")
    acceptances.failed("b")
    assert await _told(outbox) == []


async def test_whoever_asks_much_waits_until_few_are_unwritten() -> None:
    acceptances = Acceptances(Outbox())
    for number in range(16):
        acceptances.add(Accepted(turn_id=str(number)))
    waiting = asyncio.create_task(acceptances.few())
    await asyncio.sleep(0)
    assert not waiting.done()
    acceptances.written("7")
    await waiting


@pytest.fixture
def slow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> "list[asyncio.Future[Any]]":
    """The gateway's own way to the log: what it publishes is not known to be written until the test says so."""
    held: list[asyncio.Future[Any]] = []

    def publish(_out: Out) -> "asyncio.Future[Any]":
        held.append(asyncio.get_running_loop().create_future())
        return held[-1]

    monkeypatch.setattr(desk.parts.bus, "publish", publish)
    return held


@pytest.mark.parametrize("fails", [False, True])
async def test_a_reply_that_is_faster_than_the_acceptance_is_told_after_it(
    desk: Desk, slow: "list[asyncio.Future[Any]]", fails: bool
) -> None:
    """What the broker took at last, or did not, changes nothing of what was told."""
    turn_id = ids.new()
    header, text = Header(session_id="s", device_id="d", turn_id=turn_id), Text(text="hello", name=turn_id)
    async with desk.device(text, session_id="s", device_id="d") as device, asyncio.timeout(5):
        assert (await anext(device)).HasField("ready")
        while not slow:
            await asyncio.sleep(0.01)
        desk.reply(header, "Once upon a time.")
        assert (await anext(device)).accepted.turn_id == turn_id
        assert (await anext(device)).clause.text == "Once upon a time."
        slow[0].set_exception(Unavailable("no room")) if fails else slow[0].set_result(None)
        await asyncio.sleep(0)
        desk.reply(header, "The end.")
        assert (await anext(device)).clause.text == "The end."
