"""One talker: in time, in order, and never kinder to a slow platform than its users would be."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from parlance import ids, load_talker
from parlance.errors import Unavailable
from parlance.load_job import Job, Planned, Row
from parlance.load_objective import Objective
from parlance.load_talker import NoRuns, Talker
from parlance.v1.gateway_service_pb2 import (
    Accepted,
    Clause,
    ConverseRequest,
    ConverseResponse,
    Ended,
    Problem,
    Ready,
    Silence,
    Spoken,
)
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import Error, ErrorCode

SESSION = ids.derived("run-1", "anna")
SLOW_S = 0.2


@dataclass
class Gateway:
    """Answers each text after `delays` of its name (seconds); "dies" breaks the conversation, "asks too much" is
    refused, "fails" ends failed. In place of parlance.client.Client."""

    knows_runs: bool = True
    delays: dict[str, float] = field(default_factory=dict)
    received: list[tuple[str, float]] = field(default_factory=list)
    conversations: int = 0

    async def converse(self, requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        self.conversations += 1
        hello = (await anext(requests)).hello
        assert (hello.run, hello.mute) == ("run-1", True)
        session = SESSION if self.knows_runs else hello.session_id
        yield ConverseResponse(ready=Ready(session_id=session))
        async for request in requests:
            if request.HasField("text"):
                self.received.append((request.text.text, time.monotonic()))
                async for response in self._answers(requests, request.text):
                    yield response

    async def _answers(self, requests: AsyncIterator[Any], text: Any) -> AsyncGenerator[ConverseResponse, None]:
        turn_id = ids.derived("run-1", SESSION, text.name)
        if text.text == "dies":
            raise Unavailable("the platform is ending")
        if text.text == "asks too much":
            error = Error(code=ErrorCode.ERROR_CODE_INVALID_REQUEST, message="a question has 1 to 4000 characters")
            yield ConverseResponse(problem=Problem(error=error))
            return
        if text.text == "too much to do":
            ended = Ended(turn_id=turn_id, outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_OVERLOADED, say="No.")
            yield ConverseResponse(ended=ended)
            yield ConverseResponse(clause=Clause(turn_id=turn_id, text="No."))
            yield ConverseResponse(spoken=Spoken(turn_id=turn_id))
            return
        yield ConverseResponse(accepted=Accepted(turn_id=turn_id))
        if text.text == "is interrupted":
            while not (await anext(requests)).HasField("interrupt"):
                pass
            yield ConverseResponse(silence=Silence(turn_id=turn_id))
            yield ConverseResponse(ended=Ended(turn_id=turn_id, outcome=Outcome.OUTCOME_CANCELLED))
            return
        await asyncio.sleep(self.delays.get(text.text, 0.0))
        yield ConverseResponse(clause=Clause(turn_id=turn_id, text="There."))
        failed = text.text == "fails"
        yield ConverseResponse(
            ended=Ended(
                turn_id=turn_id,
                outcome=Outcome.OUTCOME_FAILED if failed else Outcome.OUTCOME_ANSWERED,
                error=Error(message="no model") if failed else None,
            )
        )
        yield ConverseResponse(spoken=Spoken(turn_id=turn_id))


async def _run(gateway: Gateway, *turns: tuple[float | None, str, float], stop_after: float | None = None) -> list[Row]:
    planned = [Planned(n, due, text, cut, f"{n}/0") for n, (due, text, cut) in enumerate(turns)]
    rows: list[Row] = []
    stop = asyncio.Event()
    job = Job("", "run-1", False, {"anna": planned})
    if stop_after is not None:
        asyncio.get_running_loop().call_later(stop_after, stop.set)
    await Talker(gateway, job, "anna", rows.append, stop).run(time.monotonic() + 0.05)  # type: ignore[arg-type]
    return rows


async def test_turns_are_sent_when_they_are_due() -> None:
    rows = await _run(Gateway(), (0.0, "one", 0), (0.1, "two", 0), (0.25, "three", 0))
    assert [(r.n, r.due, r.outcome, r.error) for r in rows] == [
        (0, 0.0, "answered", ""),
        (1, 100.0, "answered", ""),
        (2, 250.0, "answered", ""),
    ]
    for row in rows:
        times = [row.sent, row.accepted, row.first, row.ended]
        assert None not in times and times == sorted(times, key=lambda t: t or 0.0)
        assert 0.0 <= (row.sent or -1.0) - row.due < 50.0 and row.free == row.due


async def test_what_waits_behind_a_slow_answer_counts_from_when_it_was_due() -> None:
    gateway = Gateway(delays={"slow": SLOW_S})
    slow, held_up = await _run(gateway, (0.0, "slow", 0), (0.05, "held up", 0))
    assert [text for text, _ in gateway.received] == ["slow", "held up"]
    assert slow.ended is not None and held_up.sent is not None and held_up.ended is not None
    assert slow.ended <= held_up.sent
    assert held_up.due == 50.0 and held_up.free >= SLOW_S * 1000
    assert held_up.ended - held_up.due >= SLOW_S * 1000 - 50.0 - 1.0
    assert held_up.sent - held_up.free < 50.0


async def test_as_fast_as_possible_is_as_fast_as_answers_come() -> None:
    rows = await _run(Gateway(delays={"slow": SLOW_S}), (None, "slow", 0), (None, "two", 0), (None, "three", 0))
    assert [r.outcome for r in rows] == ["answered"] * 3
    assert rows[1].due == rows[1].free >= SLOW_S * 1000
    assert rows[2].due - rows[1].due < SLOW_S * 1000


async def test_every_end_is_told_as_what_it_is() -> None:
    turns = [(0.0, text, 0.0) for text in ("fails", "asks too much", "dies", "one")]
    gateway = Gateway()
    rows = await _run(gateway, *turns)
    assert [(r.outcome, r.error) for r in rows] == [
        ("failed", "no model"),
        ("error", "invalid request: a question has 1 to 4000 characters"),
        ("error", "the platform is ending"),
        ("answered", ""),
    ]
    assert gateway.conversations == 2, "after a conversation that broke a new one goes on"


async def test_a_turn_that_is_refused_at_the_door_has_ended_and_had_no_first_word() -> None:
    refused, after = await _run(Gateway(), (0.0, "too much to do", 0), (0.1, "one", 0))
    assert (refused.outcome, refused.error) == ("refused", "refused at the door: too much to do")
    assert refused.accepted is None and refused.first is None and (refused.ended or 1e9) < 100.0
    assert after.outcome == "answered"
    assert Objective.of("p50 first word <= 800 ms").missed([refused, after]) == 1


async def test_a_turn_that_is_to_be_interrupted_is_and_the_next_one_follows() -> None:
    rows = await _run(Gateway(), (0.0, "is interrupted", 0.1), (0.15, "one", 0), (0.2, "two", 5.0))
    assert [r.outcome for r in rows] == ["cancelled", "answered", "answered"]
    assert 100.0 <= (rows[0].ended or 0.0) - (rows[0].sent or 0.0) < 150.0
    assert (rows[2].ended or 1e9) - rows[2].due < 1000.0, "what has ended is not waited for"


async def test_a_run_that_is_stopped_sends_no_more_and_keeps_what_ended() -> None:
    gateway = Gateway(delays={"slow": SLOW_S})
    rows = await _run(gateway, (0.0, "slow", 0), (0.1, "two", 0), (30.0, "three", 0), stop_after=0.15)
    assert [(r.n, r.outcome) for r in rows] == [(0, "answered")]
    assert [text for text, _ in gateway.received] == ["slow"]


async def test_a_conversation_is_not_kept_open_for_a_turn_that_is_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_talker, "_IDLE_S", 0.2)
    monkeypatch.setattr(load_talker, "_AHEAD_S", 0.1)
    gateway = Gateway()
    rows = await _run(gateway, (0.0, "one", 0), (0.1, "two", 0), (0.6, "three", 0))
    assert [r.outcome for r in rows] == ["answered"] * 3 and gateway.conversations == 2
    assert (rows[2].sent or 1e9) - 600.0 < 50.0


async def test_nothing_is_sent_to_a_platform_that_knows_no_runs() -> None:
    gateway = Gateway(knows_runs=False)
    with pytest.raises(ExceptionGroup) as told:
        await _run(gateway, (0.0, "set a timer for one second", 0))
    assert told.group_contains(NoRuns) and gateway.received == []
