"""Cut: cancels work inside a task, once, without ending the task."""

import asyncio
from collections.abc import Awaitable

from parlance.cut import Cut


async def _forever(log: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        log.append("ended")


async def _task_of(cut: Cut, work: Awaitable[object], log: list[str]) -> None:
    log.append(str(await cut.run(work)))
    await asyncio.sleep(0)
    log.append("goes on")


async def test_work_that_ends_by_itself_is_not_cut() -> None:
    assert await Cut().run(asyncio.sleep(0))


async def test_many_cuts_cancel_once_and_the_task_goes_on() -> None:
    cut, log = Cut(), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(_task_of(cut, _forever(log), log))
        await asyncio.sleep(0)
        for _ in range(3):
            cut.cut()
    assert log == ["ended", "False", "goes on"]


async def test_a_cut_without_work_leaves_the_next_work_alone() -> None:
    cut = Cut()
    cut.cut()
    assert await cut.run(asyncio.sleep(0))


async def test_a_cancel_of_the_task_itself_goes_through() -> None:
    cut, log = Cut(), list[str]()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_task_of(cut, _forever(log), log))
        await asyncio.sleep(0)
        cut.cut()
        task.cancel()
    assert log == ["ended"] and task.cancelled()


async def test_what_is_held_is_done_whole_and_cut_afterwards() -> None:
    cut, log = Cut(), list[str]()

    async def work() -> None:
        with cut.held():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append("whole")
        await _forever(log)

    async with asyncio.TaskGroup() as group:
        group.create_task(_task_of(cut, work(), log))
        await asyncio.sleep(0)
        cut.cut()
    assert log == ["whole", "ended", "False", "goes on"]


async def test_a_cut_that_comes_at_the_very_end_does_not_hit_what_follows() -> None:
    cut, log = Cut(), list[str]()

    async def work() -> None:
        with cut.held():
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(_task_of(cut, work(), log))
        await asyncio.sleep(0)
        cut.cut()
    assert log == ["False", "goes on"]
