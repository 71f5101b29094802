"""Recording: live turns of the log as questions to send again, without who asked them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parlance import clock, ids
from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, topic_of, wrap
from parlance.load_record import Recorded, Wanted, record
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted, TurnInterrupted
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.turn_pb2 import Header, Modality

SECOND = 1_000_000
BEGAN = 1_800_000_000 * SECOND
TYPED, SPOKEN = Modality.MODALITY_TYPED, Modality.MODALITY_SPOKEN


@dataclass
class Log:
    bus: JournalBus
    keys: Keys
    now_us: int = BEGAN

    async def put(self, cls: type[Any], header: Header, body: Any) -> None:
        event = wrap(cls, header, body)
        event.header.event_id = ids.new()
        await self.bus.publish(record_of(event, Sealing(self.keys).seal))

    async def typed(self, text: str, **fields: Any) -> Header:
        header = _header(self.now_us, TYPED, **fields)
        header.asked_at_us = header.accepted_at_us
        await self.put(SessionEvent, header, TurnAccepted(text=text))
        return header

    async def spoken(self, text: str, *, ms: int) -> Header:
        header = _header(self.now_us, SPOKEN, session_id="anna's kitchen")
        await self.put(SessionEvent, header, TurnAccepted())
        self.now_us += ms * 1000
        header.asked_at_us = self.now_us
        await self.put(SpeechEvent, header, FinalTranscript(text=text, no_speech=not text))
        return header

    async def record(self, **wanted: Any) -> Recorded:
        return await record(self.bus, Sealing(self.keys), Wanted(**wanted))


def _header(at_us: int, modality: Any, **fields: Any) -> Header:
    known = {"turn_id": ids.new(), "session_id": "anna's page", "user_id": "anna", "device_id": "d"}
    return Header(accepted_at_us=at_us, modality=modality, **{**known, **fields})


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    bus = JournalBus(tmp_path / "journal.db", inline=True)
    made = Log(bus, Keys(tmp_path / "keys.json"))
    clock.use(lambda: made.now_us)
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    yield made
    await bus.stop()
    clock.use(None)


async def test_what_was_typed_and_said_is_recorded_with_its_moment_and_without_who(log: Log) -> None:
    await log.typed("what time is it")
    log.now_us += 2 * SECOND
    header = await log.spoken("set a timer", ms=1500)
    log.now_us += SECOND // 2
    await log.put(SessionEvent, header, TurnInterrupted())
    log.now_us += SECOND
    await log.typed("and in Tokyo")
    found = await log.record()
    assert [(t.at_us, t.session, t.text, t.modality) for t in found.turns] == [
        (0, "talker-0001", "what time is it", TYPED),
        (3_500_000, "talker-0002", "set a timer", SPOKEN),
        (5_000_000, "talker-0001", "and in Tokyo", TYPED),
    ]
    assert [t.interrupt_after_us for t in found.turns] == [0, 500_000, 0]
    assert [t.as_of_us for t in found.turns] == [BEGAN, BEGAN + 3_500_000, BEGAN + 5_000_000]
    assert {t.person for t in found.turns} == {"person-0001"}
    assert not any(b"anna" in t.SerializeToString() for t in found.turns)


async def test_sessions_of_one_user_are_one_persons_and_another_users_are_another_ones(log: Log) -> None:
    for session, user in (("page", "anna"), ("page of bea", "bea"), ("kitchen", "anna")):
        await log.typed("what time is it", session_id=session, user_id=user)
        log.now_us += SECOND
    assert [t.person for t in (await log.record()).turns] == ["person-0001", "person-0002", "person-0001"]


async def test_runs_and_spoken_turns_without_words_are_left_out(log: Log) -> None:
    await log.typed("in a run", run="run-1")
    await log.spoken("", ms=900)
    await log.typed("what time is it")
    found = await log.record()
    assert [t.text for t in found.turns] == ["what time is it"]
    assert (found.silent, found.unreadable) == (1, 0)


async def test_a_range_and_a_session_can_be_chosen(log: Log) -> None:
    for n in range(6):
        await log.typed(f"question {n}", session_id=f"s{n % 2}-of-anna")
        log.now_us += SECOND
    found = await log.record(from_us=BEGAN + SECOND, to_us=BEGAN + 4 * SECOND)
    assert [(t.at_us, t.text) for t in found.turns] == [
        (0, "question 1"),
        (SECOND, "question 2"),
        (2 * SECOND, "question 3"),
    ]
    assert [t.text for t in (await log.record(session="s1")).turns] == ["question 1", "question 3", "question 5"]
    with pytest.raises(InvalidRequest, match="no live turn"):
        await log.record(session="s7")


async def test_what_was_forgotten_is_not_recorded(log: Log) -> None:
    await log.typed("what is my secret", user_id="ben")
    await log.typed("what time is it")
    log.keys.destroy("ben")
    found = await log.record()
    assert [t.text for t in found.turns] == ["what time is it"] and found.unreadable == 1


async def test_what_was_asked_can_be_searched_among_ones_own_turns(log: Log) -> None:
    for text in ("put Milk on my list", "what is on my lists", "where is the Straße", "milk it"):
        await log.typed(text)
        log.now_us += SECOND
    await log.typed("put milk on ben's list", user_id="ben")
    await log.spoken("add milk to my list", ms=500)

    async def found(query: str) -> list[str]:
        return [t.text for t in (await log.record(query=query, user="anna")).turns]

    assert await found("milk list") == ["put Milk on my list", "add milk to my list"]
    assert await found("LIST, my") == ["put Milk on my list", "what is on my lists", "add milk to my list"]
    assert await found("strasse") == ["where is the Straße"]
    with pytest.raises(InvalidRequest, match="and says 'ist'"):
        await found("ist")
