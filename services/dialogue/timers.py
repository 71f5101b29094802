"""Timers of sessions: a turn's deadline, the wait of an unasked turn. They come back as items of the session's lane."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from parlance import clock
from parlance.stage_work import Item


@dataclass(slots=True)
class Due:
    """An internal event: `turn_id`'s time has come. `cut_in`: an unasked turn has waited long enough."""

    turn_id: str
    cut_in: bool = False


class Timers:
    """`armed` is false until the backlog has been handed over: then all known deadlines are set at once."""

    def __init__(self, inject: Callable[[Item], None]) -> None:
        self._inject = inject
        # Each with the deadline that it was set for, wall microseconds; 0 where it was set by its wait.
        self._handles: dict[tuple[str, bool], tuple[asyncio.TimerHandle, int]] = {}
        self._armed = False
        self._early: list[tuple[str, str, int]] = []

    def arm(self) -> None:
        self._armed = True
        for session, turn_id, at_us in self._early:
            self.at(session, turn_id, at_us)
        self._early.clear()

    def at(self, session: str, turn_id: str, at_us: int) -> None:
        """The turn's deadline, wall microseconds; a later call moves it."""
        if not self._armed:
            self._early.append((session, turn_id, at_us))
            return
        known = self._handles.get((turn_id, False))
        if known is None or known[1] != at_us:
            self.after(session, Due(turn_id), (at_us - clock.now_us()) / 1e6, at_us)

    def after(self, session: str, due: Due, seconds: float, at_us: int = 0) -> None:
        key = (due.turn_id, due.cut_in)
        self._cancel(key)
        item = Item(session, due, sealed=False)
        handle = asyncio.get_running_loop().call_later(max(0.0, seconds), self._fire, key, item)
        self._handles[key] = handle, at_us

    def waits(self, due: Due) -> bool:
        return (due.turn_id, due.cut_in) in self._handles

    def call_off(self, due: Due) -> None:
        self._cancel((due.turn_id, due.cut_in))

    def drop(self, turn_id: str) -> None:
        self._cancel((turn_id, False))
        self._cancel((turn_id, True))
        if self._early:
            self._early = [e for e in self._early if e[1] != turn_id]

    def _fire(self, key: tuple[str, bool], item: Item) -> None:
        self._handles.pop(key, None)
        self._inject(item)

    def _cancel(self, key: tuple[str, bool]) -> None:
        known = self._handles.pop(key, None)
        if known is not None:
            known[0].cancel()
