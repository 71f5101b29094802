"""A service's record of its answers, in virtual time: joined, given again, never taken for whole when it is not."""

import asyncio
import functools
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from parlance import clock
from parlance.answers import Answers
from parlance.errors import DeadlineExceeded, Internal, ParlanceError, RateLimited, Unavailable
from parlance.rpc import Call
from parlance.v1.llm_service_pb2 import AnswerBegan, AnswerRequest, AnswerResponse, ChatMessage
from parlance.v1.turn_pb2 import AnswerRecorded, End, Header
from tests.simulation.loop import VirtualLoop

METHOD = "Llm.Answer"
NOON_US = 1_790_000_000_000_000


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a test on a loop whose time jumps to the next timer."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop = runner.get_loop()
            clock.use(lambda: NOON_US + int(loop.time() * 1e6))
            try:
                runner.run(test())
            finally:
                clock.use(None)

    return run


def now() -> float:
    return asyncio.get_running_loop().time()


def ask(words: str = "why?") -> AnswerRequest:
    return AnswerRequest(messages=[ChatMessage(text=words)])


def call(call_id: str = "c1", seconds: float = 30.0, begun: bool = False) -> Call:
    header = Header(event_id="e1", session_id="s1", turn_id="t1")
    header.deadline_us = clock.now_us() + int(seconds * 1e6)
    return Call(call_id, header, now() + seconds, begun)


class Source:
    """A vendor's stream: words, one a second; counts what becomes of it."""

    def __init__(self, *words: str, error: ParlanceError | None = None, close_s: float = 0.0) -> None:
        self.words, self.error, self.close_s = words, error, close_s
        self.begun = self.closed = 0

    async def __call__(self) -> AsyncGenerator[AnswerResponse, None]:
        self.begun += 1
        try:
            yield AnswerResponse(began=AnswerBegan(provider="scripted:echo", route_version="v7"))
            for word in self.words:
                await asyncio.sleep(1)
                yield AnswerResponse(text=word)
            if self.error is not None:
                raise self.error
        finally:
            await asyncio.sleep(self.close_s)
            self.closed += 1


class Record:
    """Where the facts go."""

    def __init__(self) -> None:
        self.facts: list[AnswerRecorded] = []

    def __call__(self, header: Header, fact: AnswerRecorded) -> None:
        kept = AnswerRecorded()
        kept.CopyFrom(fact)
        self.facts.append(kept)


async def read(
    answers: Answers, source: Source, asked: Call | None = None, request: AnswerRequest | None = None
) -> str:
    text = ""
    async with aclosing(answers.give(asked or call(), METHOD, request or ask(), source)) as parts:
        async for part in parts:
            text += part.text
    return text


async def leave_after(chunks: int, answers: Answers, source: Source, asked: Call | None = None) -> None:
    async with aclosing(answers.give(asked or call(), METHOD, ask(), source)) as parts:
        for _ in range(chunks):
            await anext(parts)


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


async def failure_of(work: Coroutine[Any, Any, object]) -> Exception | None:
    try:
        await work
    except ParlanceError as exc:
        return exc
    return None


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


async def first_of(parts: AsyncGenerator[Any, None]) -> Any:
    return await anext(parts)


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
async def test_what_runs_when_the_service_ends_leaves_no_record() -> None:
    record, source = Record(), Source(*"abc")
    async with asyncio.TaskGroup() as group:
        async with Answers(record) as answers:
            reader = group.create_task(failure_of(read(answers, source)))
            await asyncio.sleep(1.5)
        assert isinstance(await reader, Unavailable)
    assert source.closed == 1 and not record.facts
