"""Events that nobody waits for: they let those go first that somebody does wait for.

Kafka's client has one request on its way to a broker at a time, so a fact that is sent right before a clause would hold
the clause up for a whole round trip.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from parlance.bus import Out
from parlance.errors import Unavailable

# Well within the 20 ms of `Bus.append`; loops count whole milliseconds.
_HELD_S = 0.01


class Lazy:
    """`put` takes one event and raises Unavailable where there is no room; what it refuses is kept and tried again."""

    def __init__(self, put: Callable[[Out], None]) -> None:
        self._put = put
        self._outs: deque[Out] = deque()
        self._topics: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._outs)

    def hold(self, outbox: Sequence[Out]) -> None:
        self._outs.extend(outbox)
        self._topics.update(out.topic for out in outbox)
        if self._outs and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_HELD_S, self._tick)

    def before(self, topic: str) -> None:
        """Hands all of it over in call order, where an event of the topic is held: what is appended to it now must not
        overtake that. Raises Unavailable."""
        if topic in self._topics:
            self.release()

    def release(self) -> None:
        """Hands all of it over. Raises Unavailable where there is no room for the rest."""
        while self._outs:
            self._put(self._outs[0])
            self._outs.popleft()
        self._topics.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def released(self) -> bool:
        """Hands over what there is room for; whether that was all."""
        try:
            self.release()
        except Unavailable:
            return False
        return True

    def _tick(self) -> None:
        self._timer = None
        if not self.released():
            self.hold(())
