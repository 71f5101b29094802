"""Turns of one client whose acceptance is not durable yet. It is told when it is, and before all else of the turn."""

import asyncio

from parlance.v1.gateway_service_pb2 import Accepted, ConverseResponse
from services.gateway.outbox import Outbox

# So many may wait; what else the client asks is not read yet.
_MOST = 16


class Acceptances:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        # By turn: its acceptance, and what waits for that to be told.
        self._waiting: dict[str, list[ConverseResponse]] = {}
        self._given_up: set[str] = set()
        self._settled = asyncio.Event()

    def __contains__(self, turn_id: str) -> bool:
        return turn_id in self._waiting

    def add(self, accepted: Accepted) -> None:
        self._waiting.setdefault(accepted.turn_id, [ConverseResponse(accepted=accepted)])

    def give_up(self, turn_id: str) -> None:
        """Nobody waits for it any more: it is not told, should it be accepted yet."""
        self._given_up.add(turn_id)

    def written(self, turn_id: str) -> None:
        """It is durable; or the log brings the turn's reply, which on a slow way to the log can be sooner: of a spoken
        turn, what was heard opens it as well."""
        waiting = self._end(turn_id)
        if turn_id not in self._given_up:
            for message in waiting:
                self._outbox.put(message)

    def failed(self, turn_id: str) -> None:
        """It will never be."""
        self._end(turn_id)

    def words(self, turn_id: str, message: ConverseResponse) -> None:
        """What was heard of a spoken turn: the recogniser can be faster than the log."""
        if turn_id in self._waiting:
            self._waiting[turn_id].append(message)
        else:
            self._outbox.put(message)

    async def few(self) -> None:
        while len(self._waiting) >= _MOST:
            self._settled.clear()
            await self._settled.wait()

    def _end(self, turn_id: str) -> list[ConverseResponse]:
        self._settled.set()
        return self._waiting.pop(turn_id, [])
