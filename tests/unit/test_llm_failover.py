"""Who is asked where the first one cannot answer: the next one, before a word was said or after it, or both at once."""

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import InvalidRequest, QuotaExhausted, RateLimited, Refused, Unavailable
from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.llm_pb2 import ATTEMPT_FAILOVER, ATTEMPT_FIRST, ATTEMPT_HEDGE, ATTEMPT_RESUME
from parlance.v1.turn_pb2 import END_CANCELLED, END_COMPLETE, END_FAILED, ErrorCode
from services.llm.attempt import Limits
from services.llm.breaker import Breaker
from tests.unit.llm_desk import Desk, call, own_catalogue, question, scripted, targets

STORY = "Rain fell on the old harbour that night, and nobody who had a boat there slept at all until the morning."
QUICK = Limits(first_s=0.1, next_s=0.1)


def says(path: Path, name: str, text: str = STORY, **script: Any) -> LlmTarget:
    line = {key: script.pop(key) for key in ("fail_after", "error") if key in script}
    return scripted(path, name, answers=[{"text": text, **line}], **script)


def told(parts: list[Any]) -> str:
    return "".join(part.text for part in parts)


async def test_who_fails_before_the_first_word_is_followed_by_the_next_one_and_both_are_booked(tmp_path: Path) -> None:
    desk = Desk(targets(says(tmp_path, "one", fail_after=0), says(tmp_path, "two")))
    async with desk.service:
        parts = await desk.ask()
    assert told(parts) == STORY
    assert [p.began.provider for p in parts if p.HasField("began")] == ["scripted:one", "scripted:two"]
    first, second = desk.of("usage")
    assert (first.attempt, first.why, first.end, first.error) == (
        0, ATTEMPT_FIRST, END_FAILED, ErrorCode.ERROR_CODE_UNAVAILABLE,
    )  # fmt: skip
    assert (second.attempt, second.why, second.end) == (1, ATTEMPT_FAILOVER, END_COMPLETE)
    assert first.input_tokens == first.output_tokens == 0, "nobody bills a question that was not taken"


@pytest.mark.parametrize("error", ["UNAVAILABLE", "RATE_LIMITED", "QUOTA_EXHAUSTED", "UNAUTHENTICATED", "INTERNAL"])
async def test_whatever_keeps_one_from_answering_another_one_may(tmp_path: Path, error: str) -> None:
    desk = Desk(targets(says(tmp_path, "one", fail_after=0, error=error), says(tmp_path, "two")))
    async with desk.service:
        assert told(await desk.ask()) == STORY


async def test_a_refusal_is_an_answer_and_nobody_else_is_asked(tmp_path: Path) -> None:
    desk = Desk(targets(says(tmp_path, "one", fail_after=0, error="REFUSED"), says(tmp_path, "two")))
    async with desk.service:
        with pytest.raises(Refused):
            await desk.ask()
    assert len(desk.of("usage")) == 1


async def test_where_all_fail_the_first_ones_reason_is_told(tmp_path: Path) -> None:
    one = says(tmp_path, "one", fail_after=0, error="RATE_LIMITED")
    desk = Desk(targets(one, says(tmp_path, "two", fail_after=0)))
    async with desk.service:
        with pytest.raises(RateLimited):
            await desk.ask()


async def test_who_is_silent_is_followed_right_after_its_own_deadline(tmp_path: Path) -> None:
    one = says(tmp_path, "one", first_delay_s=60)
    one.first_ms = 200
    desk = Desk(targets(one, says(tmp_path, "two")))
    async with desk.service:
        began = time.monotonic()
        assert told(await desk.ask()) == STORY
        assert time.monotonic() - began < 0.2 + 0.3
    first, _ = desk.of("usage")
    assert first.estimated and first.input_tokens > 0, "the vendor may bill what it was about to say"


@pytest.mark.parametrize("words", [1, 2, 5, 11, 19])
@pytest.mark.parametrize("goes_on", ["from the beginning", "where it broke off"])
async def test_an_answer_that_breaks_off_is_gone_on_with_word_for_word(
    tmp_path: Path, words: int, goes_on: str
) -> None:
    rest = " ".join(STORY.split()[words:]) if goes_on == "where it broke off" else STORY
    desk = Desk(targets(says(tmp_path, "one", fail_after=words), says(tmp_path, "two", rest)))
    async with desk.service:
        parts = await desk.ask()
    assert told(parts) == STORY
    assert [u.why for u in desk.of("usage")] == [ATTEMPT_FIRST, ATTEMPT_RESUME]
    (answered,) = desk.of("answered")
    assert answered.answer.end == END_COMPLETE


async def test_who_goes_on_with_something_else_ends_the_answer_as_cut(tmp_path: Path) -> None:
    other = " ".join(STORY.split()[:4]) + " castle, and that was that."
    desk = Desk(targets(says(tmp_path, "one", fail_after=9), says(tmp_path, "two", other)))
    async with desk.service:
        with pytest.raises(Unavailable):
            await desk.ask()
    (answered,) = desk.of("answered")
    assert answered.answer.end == END_FAILED


async def test_an_answer_that_must_fit_a_schema_is_not_gone_on_with(tmp_path: Path) -> None:
    desk = Desk(targets(says(tmp_path, "one", fail_after=3), says(tmp_path, "two")))
    async with desk.service:
        with pytest.raises(Unavailable):
            await desk.parts_of(question("hello", output_schema='{"type": "object"}'))
    assert len(desk.of("usage")) == 1


async def test_a_second_target_is_asked_beside_a_slow_one_and_the_loser_is_stopped_and_booked(tmp_path: Path) -> None:
    slow = says(tmp_path, "slow", first_delay_s=60)
    slow.hedge_ms = 50
    desk = Desk(targets(slow, says(tmp_path, "quick")))
    async with desk.service:
        began = time.monotonic()
        parts = await desk.ask()
        assert time.monotonic() - began < 2
    assert told(parts) == STORY
    booked = {u.provider: (u.why, u.end, u.estimated) for u in desk.of("usage")}
    assert booked == {
        "scripted:slow": (ATTEMPT_FIRST, END_CANCELLED, True),
        "scripted:quick": (ATTEMPT_HEDGE, END_COMPLETE, False),
    }


async def test_who_is_quick_enough_is_asked_alone(tmp_path: Path) -> None:
    quick = says(tmp_path, "quick")
    quick.hedge_ms = 5000
    desk = Desk(targets(quick, says(tmp_path, "other")))
    async with desk.service:
        assert told(await desk.ask()) == STORY
    assert [u.provider for u in desk.of("usage")] == ["scripted:quick"]


async def test_where_both_fail_that_were_asked_at_once_the_first_failure_is_told(tmp_path: Path) -> None:
    slow = says(tmp_path, "slow", first_delay_s=0.1, fail_after=0, error="RATE_LIMITED")
    slow.hedge_ms = 20
    desk = Desk(targets(slow, says(tmp_path, "other", fail_after=0)))
    async with desk.service:
        with pytest.raises(Unavailable):
            await desk.ask()
    assert len(desk.of("usage")) == 2


async def test_an_asker_who_cancels_stops_both(tmp_path: Path) -> None:
    one, two = (says(tmp_path, name, first_delay_s=60) for name in ("one", "two"))
    one.hedge_ms = 20
    desk = Desk(targets(one, two))
    async with desk.service, aclosing(desk.service.answer(question("hello"), call())) as parts:
        await anext(parts)
        await asyncio.sleep(0.2)
        await desk.service.answers.cancel("c1")
    assert [u.end for u in desk.of("usage")] == [END_CANCELLED, END_CANCELLED]


async def test_a_target_that_failed_again_and_again_is_not_asked_for_a_while(tmp_path: Path) -> None:
    broken = says(tmp_path, "one", fail_after=0)
    desk = Desk(targets(broken, says(tmp_path, "two")), breaker=Breaker(time.monotonic, failures=2))
    async with desk.service:
        for n in range(4):
            await desk.ask(call_id=f"c{n}")
    assert [u.provider for u in desk.of("usage")].count("scripted:one") == 2


async def test_where_the_only_target_is_left_alone_that_is_told_at_once(tmp_path: Path) -> None:
    desk = Desk(targets(says(tmp_path, "one", fail_after=0)), breaker=Breaker(time.monotonic, failures=1))
    async with desk.service:
        with pytest.raises(Unavailable):
            await desk.ask()
        with pytest.raises(Unavailable, match="scripted:one: it failed and is left alone for 15 s more: the sc"):
            await desk.ask(call_id="c2")
    assert len(desk.of("usage")) == 1


async def test_a_target_without_its_key_is_passed_over(tmp_path: Path) -> None:
    keyless = LlmTarget(target="compatible:m", settings={"base_url": "http://127.0.0.1:1/v1", "api_key_env": "NONE"})
    desk = Desk(targets(keyless, says(tmp_path, "two")))
    async with desk.service:
        assert told(await desk.ask()) == STORY
    desk = Desk(targets(keyless))
    async with desk.service:
        with pytest.raises(InvalidRequest, match="NONE is not set"):
            await desk.ask()


async def test_a_runaway_loop_stops_at_its_budget_and_one_call(tmp_path: Path) -> None:
    """A call costs 3 cents at the most, 2.2 in truth; a day has 10."""
    models = own_catalogue(tmp_path, dear={"tier": "house", "output": "1000"})
    route = targets(says(tmp_path, "dear", " ".join(["word"] * 22)))
    route.rules[0].budget.day_nanos = 100_000_000
    desk = Desk(route, models=models)
    async with desk.service:
        for n in range(50):
            try:
                await desk.parts_of(question("again", max_output_tokens=30), f"c{n}")
            except QuotaExhausted as exc:
                assert "scripted:dear: the rule chat's budget: today's $0.10" in exc.message
    spent = sum(u.cost_nanos for u in desk.of("usage"))
    assert len(desk.of("usage")) == 4 and 70_000_000 < spent <= 100_000_000


@pytest.mark.parametrize("schema", ["no json", "[]", '{"type": "objekt"}'])
async def test_a_schema_that_is_none_is_told_before_anybody_is_asked(schema: str) -> None:
    desk = Desk()
    request = question("hello")
    request.tools.add(name="set_timer", parameters=schema)
    async with desk.service:
        with pytest.raises(InvalidRequest, match="the parameters of the tool 'set_timer'"):
            await desk.parts_of(request)
    assert not desk.of("usage")
