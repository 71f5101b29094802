"""A log that takes nothing: who asks is refused in words and sound, who waits is told when a turn's time is over."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parlance.bus import Out, Record
from parlance.v1.gateway_service_pb2 import ConverseRequest, Interrupt, Text
from parlance.v1.reply_pb2 import OUTCOME_ANSWERED, OUTCOME_REFUSED, ReplyEvent, TurnCompleted
from parlance.v1.turn_pb2 import ErrorCode
from services.gateway import device, door, standstill
from tests.unit.test_gateway_door import PCM, Full, full  # noqa: F401 - a fixture

WHY = "Kafka at kafka://here:1 has not answered for 12 s"


class Stuck:
    """A bus that takes nothing until it is freed; `failed` as it is told."""

    def __init__(self, bus: Any) -> None:
        self._bus, self._held = bus, list[tuple[Out, asyncio.Future[Record]]]()
        self.failed = WHY
        self.takes = False

    def publish(self, out: Out) -> "asyncio.Future[Record]":
        if self.takes:
            return self._bus.publish(out)  # type: ignore[no-any-return]
        future: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._held.append((out, future))
        return future

    async def free(self) -> None:
        self.failed, self.takes = "", True
        for out, future in self._held:
            record = await self._bus.publish(out)
            if not future.done():
                future.set_result(record)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


@pytest.fixture
async def stuck(full: Full, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stuck]:  # noqa: F811
    """With an open door, but for the log; a turn lasts half a second and its end is waited for as long."""
    assert full.service._sessions is not None
    del full.service._sessions.door.admission.takes
    monkeypatch.setattr(device, "ANSWER_US", 500_000)
    monkeypatch.setattr(standstill, "GRACE_US", 500_000)
    monkeypatch.setattr(standstill, "PATIENCE_S", 0.3)
    made = Stuck(full.parts.bus)
    full.parts.bus = made  # type: ignore[assignment]
    yield made
    await made.free()
    full.parts.bus = made._bus


def _text(words: str) -> ConverseRequest:
    return ConverseRequest(text=Text(text=words))


async def test_who_asks_first_is_told_when_the_turns_time_is_over(full: Full, stuck: Stuck) -> None:  # noqa: F811
    messages = await full.hears(_text("what time is it"), until="problem", session_id="s")
    assert [m.WhichOneof("message") for m in messages] == ["ready", "problem"]
    assert messages[-1].problem.error.message == WHY
    assert messages[-1].problem.error.code == ErrorCode.ERROR_CODE_UNAVAILABLE
    await stuck.free()
    await asyncio.sleep(0.1)
    accepted = [e for e in await full.session_events() if e.WhichOneof("event") == "accepted"]
    assert len(accepted) == 1, "what was asked is not lost: the log has it when it takes something again"


async def test_who_asks_after_it_is_refused_at_once_in_words_and_sound(full: Full, stuck: Stuck) -> None:  # noqa: F811
    asking = asyncio.ensure_future(full.hears(_text("what time is it"), until="problem", session_id="s"))
    await asyncio.sleep(0.4)
    _, ended, audio, spoken = await full.hears(_text("and now"), session_id="other")
    assert (ended.ended.outcome, ended.ended.say) == (OUTCOME_REFUSED, door.SAY_UNWRITTEN)
    assert ended.ended.error.message == WHY
    assert audio.audio.pcm == PCM and spoken.spoken.audio_ms == 1000
    await asking
    await stuck.free()
    await asyncio.sleep(0.1)
    messages = await full.hears(_text("and now"), until="accepted", session_id="other")
    assert messages[-1].accepted.turn_id, "the door opens by itself"


async def test_of_an_accepted_turn_only_the_log_tells_the_end_however_late(full: Full, stuck: Stuck) -> None:  # noqa: F811
    stuck.takes = True
    assert full.service._sessions is not None
    sessions, seen = full.service._sessions, asyncio.Event()

    async def log_comes_back() -> None:
        await seen.wait()
        late = ReplyEvent(completed=TurnCompleted(outcome=OUTCOME_ANSWERED))
        late.header.CopyFrom(next(iter(sessions._devices["", "s"].values())).turns.copy().popitem()[1])
        sessions._take(late)

    coming = asyncio.ensure_future(log_comes_back())
    messages = await full.hears(_text("what time is it"), seen={"problem": seen}, session_id="s", mute=True)
    await coming
    assert [m.WhichOneof("message") for m in messages] == ["ready", "accepted", "problem", "ended", "spoken"]
    assert messages[2].problem.error.message == WHY and messages[3].ended.outcome == OUTCOME_ANSWERED


async def test_where_the_log_is_well_a_late_end_is_waited_for(full: Full, stuck: Stuck) -> None:  # noqa: F811
    stuck.takes, stuck.failed = True, ""
    with pytest.raises(TimeoutError):
        await full.hears(_text("what time is it"), until="spoken", session_id="s")


async def test_one_that_was_interrupted_before_it_was_written_is_accepted_and_one_given_up_is_not(
    full: Full,  # noqa: F811
    stuck: Stuck,
) -> None:
    gave_up = asyncio.Event()

    async def log_comes_back() -> None:
        await gave_up.wait()
        await stuck.free()

    coming = asyncio.ensure_future(log_comes_back())
    interrupted = [_text("what time is it"), ConverseRequest(interrupt=Interrupt())]
    accepted, nothing = await asyncio.gather(
        full.hears(*interrupted, until="accepted", session_id="a"),
        full.hears(_text("and now"), until="accepted", seen={"problem": gave_up}, session_id="b"),
        return_exceptions=True,
    )
    await coming
    assert isinstance(accepted, list) and accepted[-1].accepted.turn_id
    assert isinstance(nothing, TimeoutError)
