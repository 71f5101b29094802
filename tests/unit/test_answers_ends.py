"""How a running answer ends before its end, in virtual time: cancelled, orphaned, late, left by its process."""

import asyncio
import math

import pytest

from parlance.answers import Answers
from parlance.errors import DeadlineExceeded, Unavailable
from parlance.v1.turn_pb2 import AnswerRecorded, End, Header
from tests.unit.answer_tools import METHOD, Record, Source, ask, call, failure_of, first_of, leave_after, now, read
from tests.unit.virtual_time import virtual


@virtual
async def test_a_cancelled_answer_is_closed_and_recorded_before_cancel_returns() -> None:
    record, source = Record(), Source("a ", "b ", "c", close_s=0.1)
    async with Answers(record) as answers, asyncio.TaskGroup() as group:
        reader = group.create_task(failure_of(read(answers, source)))
        await asyncio.sleep(1.5)
        assert await answers.cancel("c1")
        assert source.closed == 1 and record.facts[0].end == End.END_CANCELLED
        assert isinstance(await reader, Unavailable)
        assert isinstance(await failure_of(read(answers, source)), Unavailable)
        assert source.begun == 1


@virtual
async def test_a_second_cancel_does_not_cut_the_closing_of_the_vendors_stream_short() -> None:
    record, source = Record(), Source("a", "b", close_s=0.2)
    async with Answers(record) as answers, asyncio.TaskGroup() as group:
        group.create_task(failure_of(read(answers, source)))
        await asyncio.sleep(0.5)
        first = group.create_task(answers.cancel("c1"))
        await asyncio.sleep(0.1)
        assert await answers.cancel("c1") and await first
        assert source.closed == 1 and len(record.facts) == 1


@virtual
async def test_an_answer_cancelled_before_its_first_step_ends_too() -> None:
    record, source = Record(), Source("a")
    async with Answers(record) as answers:
        parts = answers.give(call(), METHOD, ask(), source)
        reading = asyncio.get_running_loop().create_task(failure_of(first_of(parts)))
        await asyncio.sleep(0)
        assert await answers.cancel("c1")
        assert source.begun == 0 and record.facts[0].end == End.END_CANCELLED
        assert isinstance(await reading, Unavailable)
        await parts.aclose()


@virtual
async def test_cancelling_what_is_not_known_says_so() -> None:
    async with Answers(Record()) as answers:
        assert not await answers.cancel("never asked")


@virtual
async def test_cancelling_what_has_ended_leaves_its_end_as_it_is() -> None:
    record, source = Record(), Source("a")
    async with Answers(record) as answers:
        await read(answers, source)
        assert await answers.cancel("c1")
        assert await read(answers, source) == "a" and len(record.facts) == 1


@virtual
async def test_without_readers_it_runs_on_for_a_while_and_can_be_joined() -> None:
    record, source = Record(), Source("a ", "b ", "c ", "d")
    async with Answers(record) as answers:
        await leave_after(2, answers, source)
        await asyncio.sleep(2)
        assert await read(answers, source) == "a b c d" and source.begun == 1


@virtual
async def test_without_readers_for_too_long_it_is_cancelled() -> None:
    record, source = Record(), Source(*"abcdefghij")
    async with Answers(record, orphan_s=5) as answers:
        await leave_after(2, answers, source)
        await asyncio.sleep(4.9)
        assert not record.facts
        await asyncio.sleep(0.2)
        assert record.facts[0].end == End.END_CANCELLED and source.closed == 1


@virtual
async def test_who_joins_an_orphan_stops_its_clock() -> None:
    record, source = Record(), Source(*"abcdefghij")
    async with Answers(record, orphan_s=2) as answers:
        await leave_after(2, answers, source)
        await asyncio.sleep(1)
        assert await read(answers, source) == "abcdefghij"
        assert [f.end for f in record.facts] == [End.END_COMPLETE]


@virtual
async def test_it_never_runs_beyond_its_deadline() -> None:
    record, source = Record(), Source(*"abcdefghij")
    async with Answers(record) as answers:
        started = now()
        assert isinstance(await failure_of(read(answers, source, call(seconds=3.5))), DeadlineExceeded)
        assert now() - started == pytest.approx(3.5)
        assert record.facts[0].end == End.END_FAILED and source.closed == 1
        assert isinstance(await failure_of(read(answers, source, call())), DeadlineExceeded)


@virtual
async def test_the_headers_deadline_holds_where_the_call_names_none() -> None:
    record, source = Record(), Source(*"abcdefghij")
    async with Answers(record) as answers:
        asked = call(seconds=3.5)
        asked.deadline = math.inf
        assert isinstance(await failure_of(read(answers, source, asked)), DeadlineExceeded)
        assert now() == pytest.approx(3.5)


@virtual
async def test_nothing_begins_after_the_deadline_but_what_is_on_record_is_given() -> None:
    source = Source("a")
    async with Answers(Record()) as answers:
        assert isinstance(await failure_of(read(answers, source, call(seconds=-1))), DeadlineExceeded)
        assert source.begun == 0
        await read(answers, source, call())
        assert await read(answers, source, call(seconds=-1)) == "a"


@virtual
async def test_an_answer_has_not_ended_before_its_fact_is_durable() -> None:
    durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    source = Source("a")
    async with Answers(lambda header, fact: durable) as answers, asyncio.TaskGroup() as group:
        reader = group.create_task(read(answers, source))
        await asyncio.sleep(5)
        cancelling = group.create_task(answers.cancel("c1"))
        await asyncio.sleep(5)
        assert not reader.done() and not cancelling.done()
        durable.set_result(None)
        assert await reader == "a" and await cancelling


@virtual
async def test_an_answer_that_cannot_be_recorded_ends_no_other() -> None:
    def refuse(header: Header, fact: AnswerRecorded) -> None:
        if fact.call_id == "c1":
            raise KeyError("its user was forgotten")

    async with Answers(refuse) as answers, asyncio.TaskGroup() as group:
        other = group.create_task(read(answers, Source("b ", "c"), call("c2")))
        assert await read(answers, Source("a")) == "a"
        assert await other == "b c"


@virtual
async def test_what_runs_when_the_service_ends_leaves_no_record() -> None:
    record, source = Record(), Source(*"abc")
    async with asyncio.TaskGroup() as group:
        async with Answers(record) as answers:
            reader = group.create_task(failure_of(read(answers, source)))
            await asyncio.sleep(1.5)
        assert isinstance(await reader, Unavailable)
    assert source.closed == 1 and not record.facts
