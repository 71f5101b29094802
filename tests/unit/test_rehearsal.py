"""Questions straight on the bus: the records that a gateway would have written, sent in order and in time."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parlance import clock, ids
from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.config import load
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, TOPICS, parse, topic_of, wrap
from parlance.load_result import Result
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.v1.replay_pb2 import ReplayTurn
from parlance.v1.reply_pb2 import Outcome, ReplyClause, ReplyEvent, TurnCompleted
from parlance.v1.turn_pb2 import Modality
from services.rehearsal.command import Job, send
from services.rehearsal.events import Whose, prepared
from services.rehearsal.run import Direct

TURNS = [
    ReplayTurn(at_us=n * 10_000, session=f"talker-{n % 3}", text=f"question {n}", as_of_us=n + 1, person="anna")
    for n in range(60)
]
WHOSE = Whose("run-1", "owner", "Europe/Madrid", slot=2)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[JournalBus]:
    made = JournalBus(tmp_path / "journal.db")
    made.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def sealing(tmp_path: Path) -> Sealing:
    return Sealing(Keys(tmp_path / "keys.json"))


def test_a_record_is_what_a_gateway_would_have_written(sealing: Sealing) -> None:
    out = prepared(TURNS, WHOSE, 1.0, sealing)[4].at(1_800_000_000_000_000)
    assert b"question" not in out.value
    event = sealing.open(parse(out.topic, out.value))
    header = event.header
    session = ids.derived("run-1", "talker-1")
    assert event.accepted.text == "question 4" and out.key == session.encode()
    assert (header.run, header.session_id, header.user_id) == ("run-1", session, "owner")
    assert header.event_id == ids.event_id("run-1", header.turn_id, "TurnAccepted")
    assert (header.as_of_us, header.person) == (5, "anna")
    assert (header.reply_partition, header.modality) == (2, Modality.MODALITY_TYPED)
    assert header.accepted_at_us == header.asked_at_us == 1_800_000_000_000_000
    assert header.deadline_us - header.accepted_at_us == 30_000_000


def test_the_same_file_under_another_run_shares_no_id(sealing: Sealing) -> None:
    a, b = (prepared(TURNS, Whose(run, "owner", "UTC"), 1.0, sealing) for run in ("run-1", "run-2"))
    assert len({r.turn_id for r in (*a, *b)}) == 2 * len(TURNS)
    assert [r.turn_id for r in a] == [r.turn_id for r in prepared(TURNS, WHOSE, None, sealing)]


class Dialogue:
    """Ends every turn but one."""

    def __init__(self, bus: JournalBus, sealing: Sealing, forgets: int = -1) -> None:
        self.bus, self.sealing, self.forgets = bus, sealing, forgets
        self.heard: list[tuple[float, Any]] = []
        bus.subscribe(None, ["session.v1"], self._deliver)

    def _deliver(self, records: list[Any]) -> None:
        for record in records:
            event = self.sealing.open(parse(record.topic, record.value))
            self.heard.append((time.monotonic(), event))
            if event.accepted.text == f"question {self.forgets}":
                continue
            bodies: list[Any] = [ReplyClause(text="well"), TurnCompleted(outcome=Outcome.OUTCOME_ANSWERED)]
            self.bus.append([self._out(event, body) for body in bodies])

    def _out(self, event: Any, body: Any) -> Out:
        made = wrap(ReplyEvent, event.header, body)
        made.header.event_id = ids.new()
        return record_of(made, self.sealing.seal)


async def test_all_are_sent_in_order_and_in_time_and_told_how_they_ended(bus: JournalBus, sealing: Sealing) -> None:
    dialogue, result = Dialogue(bus, sealing), Result({"run": "run-1", "turns": len(TURNS)})
    await Direct(bus, sealing, WHOSE, 1.0, lambda sent: None).go(TURNS, result)
    by_session: dict[str, list[int]] = {}
    for _, event in dialogue.heard:
        by_session.setdefault(event.header.session_id, []).append(int(event.accepted.text.split()[1]))
    assert all(order == sorted(order) for order in by_session.values()) and len(dialogue.heard) == len(TURNS)
    assert [row.outcome for row in result.rows] == ["answered"] * len(TURNS) and result.complete
    assert [row.due for row in result.rows] == [10.0 * n for n in range(len(TURNS))]
    for row in result.rows:
        assert row.sent is not None and row.first is not None and row.ended is not None
        assert -0.1 <= row.sent - row.due < 100.0 and row.first <= row.ended
    moments = [event.header.accepted_at_us for _, event in dialogue.heard]
    assert abs(max(moments) - min(moments) - 590_000) < 100_000 and max(moments) <= clock.now_us()


async def test_what_never_ends_is_told(bus: JournalBus, sealing: Sealing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.rehearsal.outcomes._END_S", 0.5)
    Dialogue(bus, sealing, forgets=7)
    result = Result({"run": "run-1", "turns": len(TURNS)})
    await Direct(bus, sealing, WHOSE, None, lambda sent: None).go(TURNS, result)
    assert {(row.n, row.outcome) for row in result.rows if row.outcome != "answered"} == {(7, "lost")}


async def test_a_run_that_is_stopped_sends_no_more(bus: JournalBus, sealing: Sealing) -> None:
    Dialogue(bus, sealing)
    direct = Direct(bus, sealing, WHOSE, 1.0, lambda sent: None)
    result = Result({"run": "run-1", "turns": len(TURNS)})
    asyncio.get_running_loop().call_later(0.5, direct.stop)
    await direct.go(TURNS, result)
    assert 0 < len(result.rows) < len(TURNS) and not result.complete
    written = [len(await bus.read("session.v1", p, 0)) for p in range(TOPICS["session.v1"].partitions)]
    assert sum(written) == len(result.rows)


async def test_a_stack_that_is_not_marked_is_not_sent_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLANCE_HOME", str(tmp_path))
    monkeypatch.delenv("PARLANCE_REHEARSAL", raising=False)
    with pytest.raises(InvalidRequest, match="PARLANCE_REHEARSAL=1 there and here"):
        await send(load(), Job("a.replay", "r.json", None, None, "run-1"))
    monkeypatch.setenv("PARLANCE_REHEARSAL", "yes")
    with pytest.raises(InvalidRequest, match="PARLANCE_REHEARSAL is 1, or not set"):
        load()
