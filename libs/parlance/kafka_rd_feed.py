"""Records fetched by librdkafka for a member of a group of aiokafka's, which says who reads what and commits."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from parlance.bus import Record
from parlance.kafka_address import Address
from parlance.kafka_client import closed
from parlance.kafka_feed import POLL_S
from parlance.kafka_ownership import Place
from parlance.kafka_rd_reading import Reading

_NO_GROUP = "parlance.reader"


class RdFeed:
    def __init__(self, client: Any, address: Address) -> None:
        self._client = client
        self._news = asyncio.Event()
        self._numbers = itertools.count(1)
        self._number = 0
        # What the group has given and is not read yet: where its commits are, has to be asked.
        self._wanted: set[Place] | None = None
        self._positions: dict[Place, int] = {}
        self._reading = Reading(address, client._group_id or _NO_GROUP, self._news.set)
        self._reading.start()

    def revoked(self) -> None:
        self._number = next(self._numbers)

    def assigned(self, places: set[Place]) -> None:
        self._client.pause(*(TopicPartition(*place) for place in places))
        self._number = next(self._numbers)
        self._wanted = places
        self._positions = {}
        self._news.set()

    def begin(self, begins: Mapping[Place, int]) -> None:
        self._number = next(self._numbers)
        self._positions = dict(begins)
        self._reading.read(self._number, begins)

    async def take(self) -> dict[Place, list[Record]]:
        try:
            async with asyncio.timeout(POLL_S):
                await self._news.wait()
        except TimeoutError:
            # It gives nothing, for all is paused; but it raises what became of the group.
            await self._client.getmany(timeout_ms=0)
        self._news.clear()
        if self._wanted is not None:
            await self._find()
            return {}
        records, positions = self._reading.taken(self._number)
        self._positions |= positions
        return records

    async def position(self, place: Place) -> int:
        """0 where nothing is known yet."""
        return self._positions.get(place, 0)

    def lag(self, delivered: Mapping[Place, int]) -> int:
        return sum(max(0, self._reading.end_of(place) - at) for place, at in list(delivered.items()))

    async def close(self) -> None:
        self._reading.end()
        try:
            await closed(self._client)
        finally:
            await self._reading.ended.wait()

    async def _find(self) -> None:
        """Asks where to begin; another assignment meanwhile asks again."""
        wanted, number = self._wanted or set(), self._number
        begins = {}
        try:
            async with asyncio.timeout(POLL_S):
                for place in wanted:
                    begins[place] = int(await self._client.position(TopicPartition(*place)))
        except IllegalStateError:  # not ours any more
            return
        except TimeoutError:
            await self._client.getmany(timeout_ms=0)
            self._news.set()
            return
        if number == self._number:
            self._wanted = None
            self._positions = dict(begins)
            self._reading.read(number, begins)
