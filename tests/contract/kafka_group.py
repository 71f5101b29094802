"""A group of members in one process, each with a bus of its own, and what the broker has noted for it."""

import uuid
from collections.abc import Sequence

from parlance.bus import Bus, Out, Record, Subscription
from parlance.events import TopicInfo
from tests.contract.bus_suite_tools import Collector, ready, until

GROUP = "g"


class Member:
    """A bus with one subscription of the group."""

    def __init__(self, bus: Bus, topics: Sequence[TopicInfo], commits: bool) -> None:
        self.bus = bus
        self.commits = commits
        self.got = Collector()
        self.under: dict[tuple[str, int, int], int] = {}
        self.got.on_records = self._note
        self.sub: Subscription = bus.subscribe(GROUP, [t.name for t in topics], self.got)

    def _note(self, records: Sequence[Record]) -> None:
        for r in records:
            self.under[r.topic, r.partition, r.offset] = self.sub.ownership(r.topic, r.partition)
        if self.commits:
            self.commit(records)

    def holds(self, topic: str) -> set[int]:
        return {p for p in range(4) if self.sub.ownership(topic, p)}

    def commit(self, records: Sequence[Record]) -> None:
        for r in records:
            self.sub.commit(r.topic, r.partition, r.offset + 1, self.under[r.topic, r.partition, r.offset])


class Group:
    def __init__(self, url: str, topics: tuple[TopicInfo, ...]) -> None:
        self.url, self.topics, self.prefix = url, topics, f"{uuid.uuid4().hex[:8]}."
        self.members: list[Member] = []

    async def join(self, commits: bool = False) -> Member:
        """`commits`: it commits everything as soon as it comes."""
        from parlance.bus_kafka import KafkaBus

        bus = KafkaBus(self.url, prefix=self.prefix)
        bus.declare(self.topics)
        await bus.start()
        self.members.append(Member(bus, self.topics, commits))
        await ready(self.members[-1].sub)
        return self.members[-1]

    async def leave(self, member: Member) -> None:
        self.members.remove(member)
        await member.bus.stop()

    async def shared(self, *counts: int) -> None:
        """Returns when the members hold so many partitions of each topic."""

        def as_wanted() -> bool:
            held = [m.holds(t.name) for t in self.topics for m in self.members]
            return [len(h) for h in held] == [*counts] * len(self.topics)

        await until(as_wanted)

    async def committed(self) -> dict[tuple[str, int], int]:
        """What the broker has noted, -1 where nothing."""
        from aiokafka.admin import AIOKafkaAdminClient

        admin = AIOKafkaAdminClient(bootstrap_servers=self.url.removeprefix("kafka://"))
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self.prefix + GROUP)
        finally:
            await admin.close()
        return {(at.topic, at.partition): meta.offset for at, meta in found.items()}


def to_all(topics: Sequence[TopicInfo], value: bytes) -> list[Out]:
    return [Out(t.name, p, b"k", value) for t in topics for p in range(4)]
