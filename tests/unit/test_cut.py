"""Cut: cancels the exposed part of work inside a task, once, without ending the task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from parlance.cut import Cut


class Work:
    """Is whole, then exposed, then whole again; notes how far it came."""

    def __init__(self) -> None:
        self.cut, self.log = Cut(), list[str]()
        self.before, self.during, self.after = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        await self.before.wait()
        async with self.cut.exposed():
            self.log.append("exposed")
            await self.during.wait()
        self.log.append("whole")
        await self.after.wait()
        self.log.append("done")

    async def drive(self) -> None:
        self.log.append(str(await self.cut.run(self.run())))
        await asyncio.sleep(0)
        self.log.append("goes on")


@asynccontextmanager
async def _driven() -> AsyncIterator[tuple[Work, asyncio.Task[None]]]:
    work = Work()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work.drive())
        await asyncio.sleep(0)
        yield work, task


async def test_work_that_ends_by_itself_is_not_cut() -> None:
    async with _driven() as (work, _):
        for step in (work.before, work.during, work.after):
            step.set()
    assert work.log == ["exposed", "whole", "done", "True", "goes on"]


async def test_many_cuts_cancel_once_and_the_task_goes_on() -> None:
    async with _driven() as (work, task):
        work.before.set()
        await asyncio.sleep(0)
        for _ in range(3):
            work.cut.cut()
    assert work.log == ["exposed", "False", "goes on"]
    assert task.cancelling() == 0


async def test_what_is_not_exposed_is_done_whole_and_cut_at_once_when_it_is() -> None:
    async with _driven() as (work, _):
        work.cut.cut()
        await asyncio.sleep(0)
        assert work.log == []
        work.before.set()
    assert work.log == ["False", "goes on"]


async def test_a_cut_after_the_exposed_part_changes_nothing() -> None:
    async with _driven() as (work, task):
        work.before.set()
        work.during.set()
        await asyncio.sleep(0)
        work.cut.cut()
        work.after.set()
    assert work.log == ["exposed", "whole", "done", "True", "goes on"]
    assert task.cancelling() == 0


async def test_a_cut_in_the_very_step_that_ends_the_exposed_part_arrives_in_it() -> None:
    async with _driven() as (work, _):
        work.before.set()
        await asyncio.sleep(0)
        work.during.set()
        work.cut.cut()
    assert work.log == ["exposed", "False", "goes on"]


async def test_a_cut_wins_over_an_error_of_the_exposed_part() -> None:
    cut = Cut()

    async def failing() -> None:
        async with cut.exposed():
            cut.cut()
            raise ValueError

    assert not await cut.run(failing())


async def test_a_cancel_of_the_task_itself_goes_through() -> None:
    async with _driven() as (work, task):
        work.before.set()
        await asyncio.sleep(0)
        work.cut.cut()
        task.cancel()
    assert work.log == ["exposed"] and task.cancelled()


async def test_a_cut_lasts_over_attempts() -> None:
    cut, attempts = Cut(), list[int]()

    async def attempt(number: int) -> None:
        attempts.append(number)
        if number == 1:
            raise ValueError
        async with cut.exposed():
            attempts.append(-number)

    cut.cut()
    with pytest.raises(ValueError):
        await cut.run(attempt(1))
    assert not await cut.run(attempt(2))
    assert attempts == [1, 2]
