"""What a subscription reads, where it begins, and how it is told that its group shares out anew."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition

from parlance.kafka_address import Address
from parlance.kafka_feed import Feed
from parlance.kafka_ownership import Place


@dataclass(slots=True)
class Wanted:
    """What is read: a group's share of the topics, or (without a group) these places from a time on (None: what
    comes)."""

    group: str | None
    topics: tuple[str, ...]
    places: tuple[Place, ...]
    from_us: int | None

    @property
    def at_once(self) -> bool:
        """Whether it begins at a place that stands in the log already, whatever is appended meanwhile."""
        return self.group is not None or self.from_us is not None


@dataclass(slots=True)
class Plumbing:
    """What a subscription needs of its bus. `feed` is given a consumer and the address; `after_appends` does work in
    call order with all appends."""

    address: Address
    feed: Callable[[Any, Address], Feed]
    prefix: str
    flush: Callable[[], Awaitable[None]]
    after_appends: Callable[[Callable[[], Awaitable[None]]], None]
    stopped: Callable[[Any], None]


async def places_of(
    client: Any, wanted: Wanted, reached: Mapping[Place, int]
) -> tuple[dict[Place, int], dict[Place, int]]:
    """Takes the places; where it is to begin (`reached`: where a client before this one was), and where they end now.
    Nothing is fetched meanwhile: the broker answers in order, and what is asked after a fetch of nothing waits as long
    as that does."""
    places = [TopicPartition(*place) for place in wanted.places]
    client.assign(places)
    client.pause(*places)
    ends = await client.end_offsets(places)
    begins = dict(ends)
    if wanted.from_us is not None:
        found = await client.offsets_for_times(dict.fromkeys(places, -(-wanted.from_us // 1000)))
        begins |= {place: at.offset for place, at in found.items() if at is not None}
    begins |= {TopicPartition(*place): offset for place, offset in reached.items()}
    for place in places:
        client.seek(place, begins[place])
    return _plain(begins), _plain(ends)


def _plain(offsets: dict[Any, int]) -> dict[Place, int]:
    return {(at.topic, at.partition): offset for at, offset in offsets.items()}


class Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Both return at once: while one member thinks, all of the group stand still."""

    def __init__(self, revoked: Callable[[], None], assigned: Callable[[set[Any]], None]) -> None:
        self._revoked, self._assigned = revoked, assigned

    def on_partitions_revoked(self, revoked: set[Any]) -> None:
        self._revoked()

    def on_partitions_assigned(self, assigned: set[Any]) -> None:
        self._assigned(assigned)
