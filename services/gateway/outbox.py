"""What goes out to one client, in order. A Silence overtakes and removes what is queued of its turn."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from parlance.errors import Unavailable
from parlance.v1.gateway_service_pb2 import ConverseResponse, Silence

_ROOM = 64
# Sound waits for room; this many other messages wait for nobody but a client that reads nothing.
_LIMIT = 512


class Outbox:
    def __init__(self, stalled_s: float = 10.0) -> None:
        self._queue: deque[ConverseResponse] = deque()
        self._filled, self._drained = asyncio.Event(), asyncio.Event()
        self._stalled_s = stalled_s
        self.closed = False
        self._stalled = False

    def put(self, message: ConverseResponse) -> None:
        """Queues a message; whoever sends much awaits `room` first."""
        if len(self._queue) >= _LIMIT:
            self._give_up()
        if not self.closed:
            self._queue.append(message)
            self._filled.set()

    @property
    def full(self) -> bool:
        return len(self._queue) >= _ROOM and not self.closed

    async def room(self) -> None:
        """Returns when the client has taken enough, or has not for so long that the box was closed."""
        while self.full:
            self._drained.clear()
            try:
                async with asyncio.timeout(self._stalled_s):
                    await self._drained.wait()
            except TimeoutError:
                self._give_up()

    def silence(self, turn_id: str) -> None:
        """Nothing of this turn follows."""
        kept = [m for m in self._queue if not _sounds(m, turn_id)]
        self._queue.clear()
        self._queue.append(ConverseResponse(silence=Silence(turn_id=turn_id)))
        self._queue.extend(kept)
        self._filled.set()
        self._drained.set()

    def close(self) -> None:
        self.closed = True
        self._filled.set()
        self._drained.set()

    def _give_up(self) -> None:
        self._stalled = True
        self._queue.clear()
        self.close()

    async def drain(self) -> AsyncGenerator[ConverseResponse, None]:
        """All messages until the box is closed and empty. Raises Unavailable where the client has stopped reading."""
        while True:
            while self._queue:
                message = self._queue.popleft()
                self._drained.set()
                yield message
            if self._stalled:
                raise Unavailable("the client has stopped reading; the stream was closed")
            if self.closed:
                return
            self._filled.clear()
            await self._filled.wait()


def _sounds(message: ConverseResponse, turn_id: str) -> bool:
    kind = message.WhichOneof("message")
    return kind in ("clause", "audio", "spoken") and getattr(message, kind).turn_id == turn_id
