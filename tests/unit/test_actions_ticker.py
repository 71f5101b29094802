"""Timers and alarms that really go off, over the real journal and store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parlance import clock, ids
from parlance.bus import Record
from parlance.events import parse
from parlance.v1.turn_pb2 import Label, Modality
from tests.unit.actions_home import TOPIC, Home, new_call


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    await made.open()
    yield made
    await made.close()


async def _fired(home: Home, count: int = 1) -> list[Any]:
    """The first timers of the log that went off."""
    found: list[Any] = []
    enough = asyncio.Event()

    def take(records: list[Record]) -> None:
        events = [home.sealing.open(parse(r.topic, r.value)) for r in records]
        found.extend(e for e in events if e.WhichOneof("event") == "fired")
        if len(found) >= count:
            enough.set()

    subscription = home.bus.subscribe(None, [TOPIC.name], take, from_us=0)
    async with asyncio.timeout(20):
        await enough.wait()
    await subscription.stop()
    return found


async def test_a_timer_goes_off_in_time_as_a_turn_of_its_own(home: Home) -> None:
    ticking = asyncio.ensure_future(home.ticker.run())
    try:
        began = clock.now_us()
        await home.run("timer.set", "set a tea timer for one second", new_call("call-1"))
        event = (await _fired(home))[0]
    finally:
        ticking.cancel()
    fired, header = event.fired, event.header
    assert 0 <= fired.due_at_us - began - 1_000_000 < 500_000 and clock.now_us() - fired.due_at_us < 1_000_000
    assert (fired.label, fired.duration_s, fired.alarm) == ("tea", 1, False)
    assert header.turn_id == ids.derived("", fired.timer_id, "fired")
    assert header.event_id == ids.event_id("", fired.timer_id, "TimerFired")
    assert (header.session_id, header.user_id, header.device_id) == ("session-1", "anna", "kitchen")
    assert (header.time_zone, header.reply_partition, header.causation_id) == ("Europe/London", 3, "cause-1")
    assert header.accepted_at_us == header.asked_at_us == fired.due_at_us
    assert header.deadline_us == fired.due_at_us + 3_600_000_000
    assert (header.modality, header.label) == (Modality.MODALITY_UNASKED, Label.LABEL_PERSONAL)
    assert (await home.run("timer.list")).say == "You have no timers running."


async def test_timers_missed_while_nothing_ran_go_off_once_after_the_start(home: Home) -> None:
    await home.run("timer.set", "set a timer for one minute")
    await home.run("timer.set", "set an egg timer for two minutes")
    await home.close()
    await home.open()
    later = clock.now_us() + 600_000_000
    clock.use(lambda: later)
    ticking = asyncio.ensure_future(home.ticker.run())
    try:
        events = await _fired(home, 2)
        again = asyncio.ensure_future(home.ticker.run())
        await home.run("note.show")
        again.cancel()
    finally:
        clock.use(None)
        ticking.cancel()
    assert [e.fired.duration_s for e in events] == [60, 120]
    assert all(e.header.accepted_at_us == later for e in events)
    assert len(await _fired(home, 2)) == 2


async def test_a_cancelled_timer_never_goes_off(home: Home) -> None:
    ticking = asyncio.ensure_future(home.ticker.run())
    try:
        await home.run("timer.set", "set a timer for one second")
        await home.run("timer.cancel", "cancel the timer")
        await home.run("timer.set", "set an egg timer for two seconds")
        fired = await _fired(home)
    finally:
        ticking.cancel()
    assert [e.fired.label for e in fired] == ["egg"]


async def test_an_alarm_goes_off_as_an_alarm(home: Home) -> None:
    await home.run("alarm.set", "wake me up tomorrow at seven")
    tomorrow = clock.now_us() + 2 * 86_400_000_000
    clock.use(lambda: tomorrow)
    ticking = asyncio.ensure_future(home.ticker.run())
    try:
        event = (await _fired(home))[0]
    finally:
        clock.use(None)
        ticking.cancel()
    assert event.fired.alarm and event.fired.duration_s == 0
