"""Runs a test on a loop whose time jumps to the next timer: hours pass at once, and to the microsecond."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from parlance import clock

NOON_US = 1_790_000_000_000_000


class _Jumping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left to wait for: the test would hang")
        if not ready:
            self.now += max(0.0, timeout or 0.0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """Begins at 0, where a float is exact."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jumping.now


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test as a plain function. The wall begins at NOON_US and keeps pace."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            loop = runner.get_loop()
            clock.use(lambda: NOON_US + round(loop.time() * 1e6))
            try:
                runner.run(test())
            finally:
                clock.use(None)

    return run
