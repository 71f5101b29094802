"""A run that is not live acts by the same rules on a state of its own; the user's things stay as they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlance import clock
from parlance.errors import Refused
from parlance.rpc import Call, one
from parlance.v1.actions_service_pb2 import SettleRequest
from parlance.v1.reply_pb2 import Settlement
from services.actions import registry, runs
from services.actions.domain import Action, Done, Effect
from tests.unit.actions_home import Home, new_call, new_header, new_request

MILK = ("list.add", "put milk on my shopping list")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    await made.open()
    yield made
    await made.close()


async def _said(home: Home, run: str, action: str, text: str = "", call_id: str = "") -> str:
    done = await home.run(action, text, new_call(call_id, header=new_header(run=run)))
    return done.say


async def test_lists_of_a_run_are_its_own(home: Home) -> None:
    await home.run("list.add", "put tea on my shopping list")
    assert await _said(home, "run-1", *MILK) == "I put milk on your shopping list."
    assert await _said(home, "run-1", "list.show") == "Your shopping list has milk."
    assert await _said(home, "run-2", "list.show") == "Your shopping list is empty."
    assert await _said(home, "", "list.show") == "Your shopping list has tea."


async def test_an_act_of_a_run_is_done_once_and_its_event_says_whose_it_is(home: Home) -> None:
    request, call = new_request(*MILK), new_call("call-1", header=new_header(run="run-1"))
    first = await one(home.service.run(request, call))
    assert await one(home.service.run(request, call)) == first
    settled = await one(home.service.settle(SettleRequest(call_id="call-1"), call))
    absent = await one(home.service.settle(SettleRequest(call_id="call-2"), call))
    assert settled.settlement == first.settlement == Settlement.SETTLEMENT_DONE
    assert absent.settlement == Settlement.SETTLEMENT_REFUSED
    events = await home.events()
    assert [(e.header.run, e.effect.call_id) for e in events] == [("run-1", "call-1"), ("run-1", "call-2")]
    assert (await home.settle("call-1")).settlement == Settlement.SETTLEMENT_REFUSED


async def test_each_person_of_a_run_has_lists_of_their_own(home: Home) -> None:
    def by(person: str) -> Call:
        return new_call(header=new_header(run="run-1", person=person))

    assert (await home.run(*MILK, by("bea"))).say == "I put milk on your shopping list."
    said = {person: (await home.run("list.show", "", by(person))).say for person in ("bea", "carl", "")}
    empty = "Your shopping list is empty."
    assert said == {"bea": "Your shopping list has milk.", "carl": empty, "": empty}


async def test_a_timer_of_a_run_is_gone_when_its_time_has_come_by_the_runs_clock(home: Home) -> None:
    start = clock.now_us()

    async def said(action: str, text: str, after_s: int) -> str:
        as_of_us = 1_700_000_000_000_000 + after_s * 1_000_000
        request = new_request(action, text)
        request.now_us = as_of_us
        header = new_header(run="run-1", asked_at_us=start, as_of_us=as_of_us)
        return (await one(home.service.run(request, new_call(header=header)))).say

    await said("timer.set", "set a timer for ten minutes", 0)
    assert "1 minute left" in await said("timer.list", "", 540)
    assert await said("timer.list", "", 601) == "You have no timers running."


async def test_a_timer_of_a_run_never_goes_off(home: Home) -> None:
    ticking = asyncio.ensure_future(home.ticker.run())
    try:
        assert "1 second" in await _said(home, "run-1", "timer.set", "set a timer for one second")
        later = clock.now_us() + 600_000_000
        clock.use(lambda: later)
        await home.run("timer.set", "set an egg timer for one second")
        latest = later + 2_000_000
        clock.use(lambda: latest)
        home.ticker.wake()
        async with asyncio.timeout(20):
            while not (fired := [e for e in await home.events() if e.WhichOneof("event") == "fired"]):
                await asyncio.sleep(0.01)
    finally:
        clock.use(None)
        ticking.cancel()
    assert [(e.header.run, e.fired.label) for e in fired] == [("", "egg")]
    assert "timer" in (told := await _said(home, "run-1", "timer.list")) and "no timers" not in told


async def test_a_run_never_reaches_outside(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = Action(Effect.EXTERNAL, answer=lambda asked: Done("sent"))
    monkeypatch.setitem(registry.ACTIONS, "mail.send", mail)
    with pytest.raises(Refused, match="never reaches outside"):
        await _said(home, "run-1", "mail.send")
    assert await home.events() == []


async def test_the_oldest_runs_are_thrown_away(home: Home) -> None:
    for n in range(runs._KEPT + 1):
        await _said(home, f"run-{n}", *MILK)
    assert await _said(home, f"run-{runs._KEPT}", "list.show") == "Your shopping list has milk."
    assert await _said(home, "run-0", "list.show") == "Your shopping list is empty."
