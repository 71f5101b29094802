"""Patience: how long a stream may say nothing, with one timer."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from parlance.patience import Patience


async def _pieces(*pauses: float) -> AsyncGenerator[float, None]:
    for pause in pauses:
        await asyncio.sleep(pause)
        yield pause


async def test_a_stream_that_says_something_in_time_is_read_to_its_end() -> None:
    patience, pieces = Patience(), _pieces(0.0, 0.03, 0.03, 0.03)
    got = []
    while (piece := await patience.next(pieces, 0.06)) is not None:
        got.append(piece)
    patience.close()
    assert got == [0.0, 0.03, 0.03, 0.03]


async def test_a_stream_that_falls_silent_is_given_up() -> None:
    patience, pieces = Patience(), _pieces(0.0, 30.0)
    assert await patience.next(pieces, 5.0) == 0.0
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await patience.next(pieces, 0.02)
    assert asyncio.get_running_loop().time() - began < 2.0
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


async def test_a_reader_that_is_cancelled_stays_cancelled() -> None:
    patience = Patience()
    reader = asyncio.ensure_future(patience.next(_pieces(30.0), 60.0))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    patience.close()


async def test_time_that_passes_between_two_pieces_does_not_count() -> None:
    patience, pieces = Patience(), _pieces(0.0, 0.0)
    await patience.next(pieces, 0.01)
    await asyncio.sleep(0.03)
    assert await patience.next(pieces, 0.01) == 0.0
    patience.close()


async def test_what_swallows_its_cancel_and_ends_is_out_of_time_and_leaves_no_cancel_behind() -> None:
    async def deaf() -> str:
        try:
            await asyncio.sleep(30.0)
        except asyncio.CancelledError:
            raise ValueError("it broke") from None
        return "never"

    patience = Patience()
    with pytest.raises(TimeoutError):
        await patience.wait(deaf(), 0.02)
    patience.close()
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


async def test_what_is_waited_for_gives_its_result_or_its_own_error() -> None:
    async def broken() -> None:
        raise ValueError("it broke")

    patience = Patience()
    assert await patience.wait(asyncio.sleep(0, "done"), 5.0) == "done"
    with pytest.raises(ValueError, match="it broke"):
        await patience.wait(broken(), 5.0)
    patience.close()
