"""Where a subscription's records come from. Who reads what (the group, its generations, its commits) is aiokafka's in
any case; how records are fetched is the feed's."""

from collections.abc import Mapping
from typing import Any, Protocol

from aiokafka import TopicPartition

from parlance.bus import Record
from parlance.kafka_address import Address
from parlance.kafka_client import behind, closed, record_of
from parlance.kafka_ownership import Place

POLL_S = 1.0
MOST = 512


class Feed(Protocol):
    def revoked(self) -> None:
        """The group shares out anew: what was fetched before and not taken is of no more use. Returns at once."""

    def assigned(self, places: set[Place]) -> None:
        """The group has given these, and no others any more; they begin at their commits. Returns at once."""

    def begin(self, begins: Mapping[Place, int]) -> None:
        """Without a group: reads these places from these offsets on."""

    async def take(self) -> dict[Place, list[Record]]:
        """What has come; {} where nothing has for a second. Raises KafkaError where this feed is of no more use."""

    async def position(self, place: Place) -> int:
        """The offset behind what was taken, records that nobody sees (compacted, marks) included."""

    def lag(self, delivered: Mapping[Place, int]) -> int:
        """Records that stand in the log behind `delivered`, as far as is known. May be called in any thread."""

    async def close(self) -> None:
        """Its consumer too."""


class ClientFeed:
    """aiokafka fetches them itself."""

    def __init__(self, client: Any, address: Address) -> None:
        self._client = client

    def revoked(self) -> None:
        """It drops it by itself."""

    def assigned(self, places: set[Place]) -> None:
        """It begins by itself."""

    def begin(self, begins: Mapping[Place, int]) -> None:
        self._client.resume(*(TopicPartition(*place) for place in begins))

    async def take(self) -> dict[Place, list[Record]]:
        batches = await self._client.getmany(timeout_ms=int(POLL_S * 1000), max_records=MOST)
        return {(at.topic, at.partition): [record_of(m) for m in messages] for at, messages in batches.items()}

    async def position(self, place: Place) -> int:
        return int(await self._client.position(TopicPartition(*place)))

    def lag(self, delivered: Mapping[Place, int]) -> int:
        return behind(self._client, delivered)

    async def close(self) -> None:
        await closed(self._client)
