"""What is told of a turn before and after its acceptance is durable."""

import asyncio

from parlance.v1.gateway_service_pb2 import Accepted, ConverseResponse, Transcript
from services.gateway.acceptances import Acceptances
from services.gateway.outbox import Outbox


async def _told(outbox: Outbox) -> list[str]:
    outbox.close()
    return [f"{m.WhichOneof('message')}" async for m in outbox.drain()]


def _words(acceptances: Acceptances, turn_id: str) -> None:
    acceptances.words(turn_id, ConverseResponse(transcript=Transcript(turn_id=turn_id, text="hello")))


async def test_words_that_are_there_first_are_told_after_the_acceptance() -> None:
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    acceptances.add("a")
    _words(acceptances, "a")
    assert "a" in acceptances
    acceptances.written(Accepted(turn_id="a"))
    assert "a" not in acceptances
    assert await _told(outbox) == ["accepted", "transcript"]


async def test_words_that_come_later_are_told_at_once() -> None:
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    acceptances.add("a")
    acceptances.written(Accepted(turn_id="a"))
    _words(acceptances, "a")
    assert await _told(outbox) == ["accepted", "transcript"]


async def test_of_one_that_was_given_up_or_never_written_nothing_is_told() -> None:
    outbox = Outbox()
    acceptances = Acceptances(outbox)
    for turn_id in ("a", "b"):
        acceptances.add(turn_id)
        _words(acceptances, turn_id)
    acceptances.give_up("a")
    acceptances.written(Accepted(turn_id="a"))
    acceptances.failed("b")
    assert await _told(outbox) == []


async def test_whoever_asks_much_waits_until_few_are_unwritten() -> None:
    acceptances = Acceptances(Outbox())
    for number in range(16):
        acceptances.add(str(number))
    waiting = asyncio.create_task(acceptances.few())
    await asyncio.sleep(0)
    assert not waiting.done()
    acceptances.written(Accepted(turn_id="7"))
    await waiting
