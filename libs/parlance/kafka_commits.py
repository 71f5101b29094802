"""What a subscription has done, noted at the broker: each offset under the ownership that its work began in."""

import asyncio
from typing import Any

from aiokafka import TopicPartition

from parlance.kafka_ownership import Membership, Place

COMMIT_S = 0.05


class Commits:
    """`run` is a task of the bus. Between `revoked` and `assigned` nothing is written: who has what is not known."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._pending: dict[Place, tuple[int, int]] = {}
        self._client: Any = None
        self._sending: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def add(self, place: Place, next_offset: int, ownership: int) -> None:
        """Dropped where the ownership is not the current one."""
        if self._membership.owns(place, ownership):
            self._pending[place] = next_offset, ownership

    def revoked(self) -> None:
        self._client = None
        if self._sending is not None:
            self._sending.cancel()

    def assigned(self, client: Any) -> None:
        self._client = client

    async def run(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self.write()

    async def write(self) -> None:
        """Given up where a rebalance begins meanwhile: the client would send the same offsets again with its next
        generation, also for partitions that it then no longer has. What stays held is written after it."""
        client = self._client
        if client is None or not self._pending:
            return
        pending, self._pending = self._pending, {}
        owned = {place: at for place, (at, ownership) in pending.items() if self._membership.owns(place, ownership)}
        if not owned:
            return
        offsets = {TopicPartition(*place): at for place, at in owned.items()}
        self._sending = sending = self._loop.create_task(client.commit(offsets))
        try:
            await asyncio.wait([sending])
        finally:
            self._sending = None
            sending.cancel()
            await asyncio.wait([sending])
            if sending.cancelled() or sending.exception() is not None:
                self._pending = pending | self._pending
