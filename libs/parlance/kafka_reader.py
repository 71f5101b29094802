"""Looks things up in Kafka's log: one consumer without a group, which fetches of one partition at a time."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from parlance import kafka_lost
from parlance.bus import Record
from parlance.errors import Unavailable
from parlance.events import TopicInfo
from parlance.kafka_address import REQUEST_S, Address
from parlance.kafka_client import closed, consumer, explained, record_of, started

# A fetch that finds nothing keeps the connection so long.
_FETCH_WAIT_MS = 5


class Reader:
    """One look-up at a time; made when it is first needed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = asyncio.Lock()
        self._client: Any = None
        self._known: frozenset[Any] = frozenset()

    async def read(self, topics: Iterable[TopicInfo], at: tuple[str, int], start: int, limit: int) -> list[Record]:
        place = TopicPartition(*at)
        async with self._ready(topics) as client:
            end = (await client.end_offsets([place]))[place]
            begin = max(start, (await client.beginning_offsets([place]))[place])
            if begin >= end or limit <= 0:
                return []
            client.seek(place, begin)
            client.resume(place)
            try:
                return await self._take(client, place, end, limit)
            finally:
                client.pause(place)
                # Another position: what is still on its way is dropped when it comes.
                client.seek(place, 0 if begin else end)

    async def _take(self, client: Any, place: Any, end: int, limit: int) -> list[Record]:
        found: list[Record] = []
        while len(found) < limit and await client.position(place) < end:
            batches = await client.getmany(place, timeout_ms=int(REQUEST_S * 1000), max_records=limit - len(found))
            if not batches and await client.position(place) < end:
                raise Unavailable(f"Kafka at {self._address} does not give what it holds of {place.topic}; check it")
            found += [record_of(m) for m in batches.get(place, ())]
        return found

    async def offset_at(self, topics: Iterable[TopicInfo], at: tuple[str, int], ts_us: int) -> int:
        place = TopicPartition(*at)
        async with self._ready(topics) as client:
            found = (await client.offsets_for_times({place: max(0, -(-ts_us // 1000))}))[place]
            return int((await client.end_offsets([place]))[place] if found is None else found.offset)

    async def end(self, topics: Iterable[TopicInfo], at: tuple[str, int]) -> int:
        place = TopicPartition(*at)
        async with self._ready(topics) as client:
            return int((await client.end_offsets([place]))[place])

    async def stop(self) -> None:
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        client, self._client, self._known = self._client, None, frozenset()
        if client is not None:
            await closed(client)

    @asynccontextmanager
    async def _ready(self, topics: Iterable[TopicInfo]) -> AsyncGenerator[Any, None]:
        async with self._lock, explained(self._address):
            try:
                if self._client is not None and kafka_lost.died(self._client):
                    await self._close()
                if self._client is None:
                    client = consumer(self._address, None, fetch_wait_ms=_FETCH_WAIT_MS)
                    self._client = await started(client, self._address)
                known = frozenset(TopicPartition(t.name, n) for t in topics for n in range(t.partitions))
                if known != self._known:
                    self._client.assign(list(known))
                    self._client.pause(*known)
                    self._known = known
                yield self._client
            except KafkaError:
                await self._close()
                raise
