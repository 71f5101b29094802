"""A client comes back to a gateway with the turn that it had asked another one."""

import asyncio
from typing import Any

import pytest

from parlance import clock, ids
from parlance.bus import Out, partition_of
from parlance.events import TOPICS, wrap
from parlance.outgoing import record_of
from parlance.v1.gateway_service_pb2 import Resume, Text
from parlance.v1.reply_pb2 import Outcome, ReplyEvent, TurnCompleted
from parlance.v1.session_pb2 import DeviceAttached, SessionEvent
from parlance.v1.turn_pb2 import Header
from services.gateway import sessions
from services.gateway.resuming import resumed
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


async def test_both_acceptances_of_a_text_name_the_place_that_was_named_first(desk: Desk) -> None:
    """Whichever dialogue sees first, the client finds the replies, also where its connection breaks once more."""
    turn_id = ids.new()
    await _comes_back(desk, turn_id, heard_at=THERE)
    accepted = [e.header for e in await desk.session_events() if e.WhichOneof("event") == "accepted"]
    assert [header.reply_partition for header in accepted] == [THERE]


async def _end(desk: Desk, turn_id: str) -> None:
    header = Header(session_id="s", device_id="d", turn_id=turn_id, event_id=ids.new())
    event = wrap(ReplyEvent, header, TurnCompleted(outcome=Outcome.OUTCOME_ANSWERED))
    await desk.parts.bus.publish(record_of(event, desk.parts.sealing.seal))


async def _asks(desk: Desk, turn_id: str) -> None:
    """Asks, and its conversation breaks off as soon as that is accepted."""
    async with desk.device(Text(text="tell me", name=turn_id), session_id="s", device_id="d", resumes=True) as device:
        assert (await anext(device)).ready.partition == 0
        assert (await anext(device)).accepted.turn_id == turn_id


async def _told(desk: Desk, turn_id: str) -> list[str]:
    """Kinds of messages of a device that comes back here, up to the end of its turn."""
    kinds: list[str] = []
    resume = Resume(turn_id=turn_id, partition=0, since_us=clock.now_us() - 10_000_000)
    async with desk.device(session_id="s", device_id="d", resumes=True, resume=resume) as device, asyncio.timeout(5):
        async for message in device:
            kinds.append(message.WhichOneof("message") or "")
            if kinds[-1] in ("spoken", "silence"):
                break
    return kinds


async def test_what_ended_while_its_device_was_away_is_told_when_it_is_back(desk: Desk) -> None:
    turn_id = ids.new()
    await _asks(desk, turn_id)
    await desk.say(Header(session_id="s", device_id="d", turn_id=turn_id), "Once upon a time.")
    await _end(desk, turn_id)
    await asyncio.sleep(0.2)
    assert await _told(desk, turn_id) == ["ready", "clause", "ended", "spoken"]


async def test_a_device_that_comes_back_twice_is_told_what_its_first_return_did_not_hear(desk: Desk) -> None:
    turn_id = ids.new()
    await _asks(desk, turn_id)
    resume = Resume(turn_id=turn_id, partition=0, since_us=clock.now_us() - 10_000_000)
    async with desk.device(session_id="s", device_id="d", resumes=True, resume=resume) as device:
        assert (await anext(device)).HasField("ready")
        await desk.say(Header(session_id="s", device_id="d", turn_id=turn_id), "Once upon a time.")
    await _end(desk, turn_id)
    assert await _told(desk, turn_id) == ["ready", "clause", "ended", "spoken"]


async def test_a_device_that_comes_back_too_late_is_told_that_nothing_follows(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "RESUMED_WITHIN_S", 0.05)
    turn_id = ids.new()
    await _asks(desk, turn_id)
    await _end(desk, turn_id)
    async with asyncio.timeout(5):
        while "heard" not in [e.WhichOneof("event") for e in await desk.session_events()]:
            await asyncio.sleep(0.02)
    assert await _told(desk, turn_id) == ["ready", "silence"]


@pytest.mark.parametrize(("slot", "later_us", "goes_on"), [(1, 0, True), (0, 0, False), (0, 1000, True)])
async def test_a_conversation_goes_on_where_a_gateway_has_said_so_since(
    desk: Desk, slot: int, later_us: int, goes_on: bool
) -> None:
    """`later_us`: than the moment at which it broke off here. Its own attachment before that is no other's; what cannot
    be read stands in nobody's way."""
    turn_id, broke_us = ids.new(), clock.now_us()
    partition = partition_of(b"s", TOPICS["session.v1"].partitions)
    await desk.parts.bus.publish(Out("session.v1", partition, b"s", b"\xff\xff no event"))
    header = Header(event_id=ids.new(), session_id="s", reply_partition=slot)
    header.accepted_at_us = broke_us - 1 + later_us
    event = wrap(SessionEvent, header, DeviceAttached(resumes=turn_id))
    await desk.parts.bus.publish(record_of(event, desk.parts.sealing.seal))
    assert await resumed(desk.parts, Header(session_id="s", turn_id=turn_id), broke_us) is goes_on
