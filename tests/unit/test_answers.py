"""A service's record of its answers, in virtual time: joined, given again, never taken for whole when it is not."""

import asyncio
from contextlib import aclosing

import pytest

from parlance.answer import Kept
from parlance.answers import Answers
from parlance.errors import DeadlineExceeded, Internal, RateLimited, Unavailable
from parlance.events import to_bytes
from parlance.v1.llm_service_pb2 import AnswerResponse
from parlance.v1.turn_pb2 import End
from tests.unit.answer_tools import METHOD, Record, Source, ask, call, failure_of, read
from tests.unit.virtual_time import NOON_US, virtual


@virtual
async def test_an_answer_is_given_as_it_comes_and_published_once_at_its_end() -> None:
    record, source = Record(), Source("a ", "b")
    async with Answers(record) as answers:
        assert await read(answers, source) == "a b"
        (fact,) = record.facts
        assert (fact.call_id, fact.method, fact.end) == ("c1", METHOD, End.END_COMPLETE)
        assert (fact.provider, fact.route_version) == ("scripted:echo", "v7")
        assert [AnswerResponse.FromString(c).text for c in fact.chunks] == ["", "a ", "b"]
        assert list(fact.chunk_offsets_us) == pytest.approx([0, 1_000_000, 2_000_000], abs=2)
        assert fact.began_at_us == NOON_US and len(fact.request_digest) == 32


@virtual
async def test_asked_again_it_joins_the_running_answer_from_its_first_chunk() -> None:
    record, source, late = Record(), Source("a ", "b ", "c"), Source("wrong")
    async with Answers(record) as answers, asyncio.TaskGroup() as group:
        first = group.create_task(read(answers, source))
        await asyncio.sleep(2.5)
        second = group.create_task(read(answers, late))
        assert await first == await second == "a b c"
        assert late.begun == 0 and len(record.facts) == 1


@virtual
async def test_asked_again_after_its_end_the_recorded_answer_is_given() -> None:
    record, source = Record(), Source("a ", "b")
    async with Answers(record) as answers:
        await read(answers, source)
        assert await read(answers, source) == "a b"
        assert source.begun == 1 and len(record.facts) == 1


@virtual
async def test_two_readers_get_the_same_and_one_that_leaves_takes_nothing_from_the_other() -> None:
    source = Source("a ", "b ", "c")
    async with Answers(Record()) as answers, asyncio.TaskGroup() as group:
        stays = group.create_task(read(answers, source))
        goes = group.create_task(read(answers, source))
        await asyncio.sleep(1.5)
        goes.cancel()
        assert await stays == "a b c"


@virtual
async def test_an_answer_that_was_spoken_of_is_never_begun_anew() -> None:
    source = Source("a")
    async with Answers(Record()) as answers:
        assert isinstance(await failure_of(read(answers, source, call(begun=True))), Unavailable)
        assert source.begun == 0


@virtual
async def test_a_failed_answer_fails_again_in_the_same_way() -> None:
    record, source = Record(), Source("a", error=RateLimited("too many"))
    async with Answers(record) as answers:
        for _ in range(2):
            failed = await failure_of(read(answers, source))
            assert isinstance(failed, RateLimited) and failed.message == "too many"
        assert record.facts[0].end == End.END_FAILED and source.begun == 1


@virtual
async def test_the_same_call_id_with_another_request_is_refused_running_or_ended() -> None:
    source = Source("a")
    async with Answers(Record()) as answers, asyncio.TaskGroup() as group:
        running = group.create_task(read(answers, source))
        await asyncio.sleep(0.5)
        assert isinstance(await failure_of(read(answers, source, request=ask("who?"))), Internal)
        assert await running == "a"
        assert isinstance(await failure_of(read(answers, source, request=ask("who?"))), Internal)


@virtual
async def test_a_record_is_kept_until_its_deadline_and_a_little_longer() -> None:
    source = Source("a")
    async with Answers(Record()) as answers:
        asked = call(seconds=10)
        await read(answers, source, asked)
        await asyncio.sleep(13.9)
        assert await read(answers, source, asked) == "a"
        await asyncio.sleep(0.2)
        assert isinstance(await failure_of(read(answers, source, asked)), DeadlineExceeded)


@virtual
async def test_recovered_answers_are_given_with_how_they_ended() -> None:
    record, whole, cut = Record(), Source("a ", "b"), Source("a ", "b")
    async with Answers(record) as before, asyncio.TaskGroup() as group:
        await read(before, whole, call("whole"))
        group.create_task(failure_of(read(before, cut, call("cut"))))
        await asyncio.sleep(1.5)
        await before.cancel("cut")
    never = Source("wrong")
    async with Answers(record) as after:
        for fact in record.facts[:2]:
            after.recover(call().header, fact, AnswerResponse)
        assert await read(after, never, call("whole", begun=True)) == "a b"
        assert isinstance(await failure_of(read(after, never, call("cut"))), Unavailable)
        assert never.begun == 0 and len(record.facts) == 2


@virtual
async def test_an_ended_answer_is_kept_as_the_bytes_of_its_fact_and_still_given_whole_to_all_that_ask_again() -> None:
    record, source = Record(), Source("a ", "b")
    async with Answers(record) as answers, asyncio.TaskGroup() as group:
        await read(answers, source)
        (kept,) = answers._known.values()
        assert isinstance(kept, Kept) and kept.segment.read(kept.n) == to_bytes(record.facts[0])
        again = [group.create_task(read(answers, source)) for _ in range(2)]
        assert [await task for task in again] == ["a b", "a b"]
        assert list(answers._known.values()) == [kept] and source.begun == 1


@virtual
async def test_who_reads_slowly_gets_all_of_an_answer_that_has_ended_meanwhile() -> None:
    source = Source("a ", "b ", "c")
    async with Answers(Record()) as answers:
        async with aclosing(answers.give(call(), METHOD, ask(), source)) as chunks:
            told = [await anext(chunks)]
            await asyncio.sleep(10)
            told += [chunk async for chunk in chunks]
        assert "".join(chunk.text for chunk in told) == "a b c"
