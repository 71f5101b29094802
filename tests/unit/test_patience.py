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
