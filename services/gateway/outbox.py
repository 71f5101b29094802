"""What goes out to one client, in order. A Silence overtakes and removes what is queued of its turn."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from parlance.errors import Unavailable
from parlance.v1.gateway_service_pb2 import ConverseResponse, Silence

_ROOM = 64


class Outbox:
    def __init__(self, stalled_s: float = 20.0) -> None:
        self._queue: deque[ConverseResponse] = deque()
        self._filled, self._drained = asyncio.Event(), asyncio.Event()
        self._stalled_s = stalled_s
        self.closed = False

    def put(self, message: ConverseResponse) -> None:
        """Queues a message; whoever sends much awaits `room` first."""
        if not self.closed:
            self._queue.append(message)
            self._filled.set()

    async def room(self) -> None:
        """Returns when the client has taken enough. Raises Unavailable where it has stopped reading."""
        while len(self._queue) >= _ROOM and not self.closed:
            self._drained.clear()
            try:
                async with asyncio.timeout(self._stalled_s):
                    await self._drained.wait()
            except TimeoutError as exc:
                self.close()
                raise Unavailable("the client has stopped reading; the stream was closed") from exc

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

    async def drain(self) -> AsyncGenerator[ConverseResponse, None]:
        """All messages until the box is closed and empty."""
        while True:
            while self._queue:
                message = self._queue.popleft()
                self._drained.set()
                yield message
            if self.closed:
                return
            self._filled.clear()
            await self._filled.wait()


def _sounds(message: ConverseResponse, turn_id: str) -> bool:
    kind = message.WhichOneof("message")
    return kind in ("clause", "audio", "spoken") and getattr(message, kind).turn_id == turn_id
