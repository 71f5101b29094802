"""A client comes back to a gateway with the turn that it had asked another one."""

import asyncio
from typing import Any

from parlance import clock, ids
from parlance.v1.gateway_service_pb2 import Resume, Text
from parlance.v1.turn_pb2 import Header
from tests.unit.test_gateway_runs import Desk, desk

__all__ = ["desk"]

# Of the gateway that is gone; this one's is 0.
THERE = 1


async def _comes_back(desk: Desk, turn_id: str, heard_at: int) -> tuple[list[Any], list[str]]:
    """The kinds of facts that the gateway told of the turn, and what the device was shown: the reply stands in
    partition `heard_at`."""
    shown = []
    resume = Resume(turn_id=turn_id, partition=THERE, since_us=clock.now_us() - 1_000_000)
    text = Text(text="tell me", name=turn_id)
    async with desk.device(text, session_id="s", device_id="d", resumes=True, resume=resume) as device:
        assert (await anext(device)).ready.partition == 0
        assert (await anext(device)).accepted.turn_id == turn_id
        header = Header(session_id="s", device_id="d", turn_id=turn_id, reply_partition=heard_at)
        await desk.say(header, "Once upon a time.")
        async with asyncio.timeout(5):
            shown.append((await anext(device)).clause.text)
    told = [e.WhichOneof("event") for e in await desk.session_events() if e.header.turn_id == turn_id]
    return told, shown


async def test_a_text_that_is_asked_again_does_not_interrupt_itself(desk: Desk) -> None:
    """It was accepted there, so its replies stand there."""
    told, shown = await _comes_back(desk, ids.new(), heard_at=THERE)
    assert "interrupted" not in told and told.count("accepted") == 1
    assert shown == ["Once upon a time."]


async def test_a_text_that_was_never_accepted_there_is_answered_here(desk: Desk) -> None:
    told, shown = await _comes_back(desk, ids.new(), heard_at=0)
    assert "interrupted" not in told and shown == ["Once upon a time."]


async def test_the_next_gateway_says_that_the_turn_sounds_on_here(desk: Desk) -> None:
    turn_id = ids.new()
    await _comes_back(desk, turn_id, heard_at=THERE)
    attached = [e.attached.resumes for e in await desk.session_events() if e.WhichOneof("event") == "attached"]
    assert attached and set(attached) == {turn_id}
