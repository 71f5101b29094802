"""The contract of acts over the real journal and store: once per call id, and the truth about it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlance import clock, ids
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, Unauthenticated
from parlance.rpc import Call, one
from parlance.v1.actions_service_pb2 import RunRequest, RunResponse
from parlance.v1.reply_pb2 import Settlement
from services.actions.tables import CallRow, Calls
from tests.unit.actions_home import Home, new_call, new_header, new_request

DONE, REFUSED, UNKNOWN = (
    Settlement.SETTLEMENT_DONE,
    Settlement.SETTLEMENT_REFUSED,
    Settlement.SETTLEMENT_UNKNOWN,
)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    await made.open()
    yield made
    await made.close()


async def test_an_act_is_done_once_per_call_id(home: Home) -> None:
    request, call = new_request("list.add", "put milk on my shopping list"), new_call("call-1")
    first = await one(home.service.run(request, call))
    again = await one(home.service.run(request, call))
    assert first == again and first.settlement == DONE and first.summary == "milk is on your shopping list"
    shown = await home.run("list.show", "what's on my shopping list")
    assert shown.say == "Your shopping list has milk." and list(shown.card.lines) == ["milk"]


async def test_an_act_asked_for_twice_at_once_is_done_once(home: Home) -> None:
    request, call = new_request("note.add", "take a note: buy stamps"), new_call("call-1")
    answers = await asyncio.gather(*(one(home.service.run(request, call)) for _ in range(5)))
    assert len({a.SerializeToString() for a in answers}) == 1
    assert (await home.run("note.show")).say == "You have one note: buy stamps."


async def test_the_act_and_its_event_survive_a_restart_together(home: Home) -> None:
    request, call = new_request("list.add", "put milk on my shopping list"), new_call("call-1")
    first = await one(home.service.run(request, call))
    await home.close()
    await home.open()
    assert await one(home.service.run(request, call)) == first
    assert (await home.run("list.show", list="shopping")).say == "Your shopping list has milk."
    events = [e for e in await home.events() if e.effect.call_id == "call-1"]
    assert len(events) == 1
    effect, header = events[0].effect, events[0].header
    assert (effect.action, effect.settlement) == ("list.add", DONE)
    assert RunResponse.FromString(effect.response) == first
    assert header.event_id == ids.event_id("", "call-1", "EffectRecorded", int(DONE))
    assert (header.causation_id, header.turn_id, header.user_id) == ("cause-1", "turn-1", "anna")


async def test_another_request_under_the_same_call_id_is_an_error(home: Home) -> None:
    call = new_call("call-1")
    await home.run("list.add", "put milk on my shopping list", call)
    with pytest.raises(Internal):
        await home.run("list.add", "put tea on my shopping list", call)


async def test_settling_an_absent_call_refuses_it_for_ever(home: Home) -> None:
    assert (await home.settle("call-1")).settlement == REFUSED
    assert (await home.settle("call-1")).settlement == REFUSED
    late = await home.run("list.add", "put milk on my shopping list", new_call("call-1"))
    assert late.settlement == REFUSED
    assert (await home.run("list.show", list="shopping")).say == "Your shopping list is empty."
    refused = [e for e in await home.events() if e.effect.call_id == "call-1"]
    assert [e.effect.settlement for e in refused] == [REFUSED]


async def test_settling_a_done_call_tells_what_was_done(home: Home) -> None:
    await home.run("timer.set", "set a timer for one hour", new_call("call-1"))
    settled = await home.settle("call-1")
    assert (settled.settlement, settled.summary) == (DONE, "your timer for 1 hour is set")


async def test_what_changes_nothing_is_not_called_done(home: Home) -> None:
    asked_back = await home.run("timer.set", "set a timer")
    assert asked_back.settlement == Settlement.SETTLEMENT_FAILED and "How long" in asked_back.say


async def test_nothing_begins_after_the_deadline_but_the_record_still_answers(home: Home) -> None:
    request, call = new_request("list.add", "put milk on my shopping list"), new_call("call-1")
    first = await one(home.service.run(request, call))
    late = Call("call-1", call.header, asyncio.get_running_loop().time() - 1)
    assert await one(home.service.run(request, late)) == first
    with pytest.raises(DeadlineExceeded):
        await one(home.service.run(request, Call("call-2", call.header, late.deadline)))
    assert (await home.settle("call-2")).settlement == REFUSED


async def test_an_asker_that_leaves_does_not_undo_the_act(home: Home) -> None:
    asking = asyncio.ensure_future(home.run("list.add", "put milk on my shopping list", new_call("call-1")))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    settled = (await home.settle("call-1")).settlement
    shown = (await home.run("list.show", list="shopping")).say
    assert (settled == DONE) == (shown == "Your shopping list has milk.")


async def test_a_call_left_begun_is_unknown_after_a_restart_and_never_run_again(home: Home) -> None:
    header = new_header()
    begun = CallRow("call-1", "anna", "mail.send", b"d", Settlement.SETTLEMENT_BEGUN, header, clock.now_us(), b"")
    await home.store.transact(lambda tx: Calls(tx.db, home.sealing).claim(begun))
    assert (await home.settle("call-1")).settlement == UNKNOWN
    await home.close()
    await home.open()
    assert (await home.settle("call-1")).settlement == UNKNOWN
    told = [e.effect.settlement for e in await home.events()]
    assert told == [UNKNOWN]


async def test_who_names_no_user_may_not_act(home: Home) -> None:
    with pytest.raises(Unauthenticated):
        await home.run("list.add", "put milk on my shopping list", new_call(header=new_header(user_id="")))
    assert await home.events() == []


async def test_an_unknown_action_or_time_zone_is_told(home: Home) -> None:
    with pytest.raises(InvalidRequest, match="known: alarm"):
        await home.run("rocket.launch")
    with pytest.raises(InvalidRequest, match="time zone"):
        await one(home.service.run(RunRequest(action="time.now", time_zone="Mars/Olympus"), new_call()))


async def test_users_do_not_see_each_others_things(home: Home) -> None:
    await home.run("list.add", "put milk on my shopping list", new_call("call-1"))
    other = new_header(user_id="ben")
    shown = await home.run("list.show", "", new_call(header=other), list="shopping")
    assert shown.say == "Your shopping list is empty."
    with pytest.raises(Internal):
        await home.settle("call-1", other)


async def test_what_was_said_stands_nowhere_in_the_clear(home: Home) -> None:
    await home.run("list.add", "put canary pastilles on my shopping list")
    await home.run("timer.set", "set a canary timer for one hour")
    await home.run("note.add", "take a note: canary")
    await home.bus.flush()
    assert b"canary" not in await home.raw()


async def test_a_destroyed_key_leaves_nothing_readable(tmp_path: Path, home: Home) -> None:
    await home.run("note.add", "take a note: canary", new_call("call-1"))
    home.sealing._keys.destroy("anna")
    assert (await home.run("note.show")).say == "You have no notes."
    assert (await home.settle("call-1")).settlement == DONE
