"""The loop's side of the journal: which partitions there are, who subscribes to them, and handing out batches."""

import asyncio
from collections.abc import Sequence

from parlance.bus import Deliver, Record
from parlance.events import TopicInfo
from parlance.journal_log import Batch
from parlance.journal_subscription import JournalSubscription, Plumbing, Start
from parlance.journal_tail import Partition


class Dispatch:
    """All methods are called on the loop."""

    def __init__(self) -> None:
        self._partitions: dict[str, list[Partition]] = {}
        self._claims: dict[JournalSubscription, list[tuple[str | None, str]]] = {}
        self._taken: dict[tuple[str | None, str, int], int] = {}

    def declare(self, info: TopicInfo) -> None:
        known = self._partitions.setdefault(info.name, [])
        known += [Partition(info.name, n) for n in range(len(known), info.partitions)]

    def subscribe(
        self,
        plumbing: Plumbing,
        start: Start,
        topics: Sequence[str],
        deliver: Deliver,
        partitions: Sequence[int] | None,
    ) -> JournalSubscription:
        found = [(part, self._take(start.group, part)) for part in self._find(topics, partitions)]
        made = JournalSubscription(plumbing, start, deliver, lambda: self.forget(made))
        self._claims[made] = [(start.group, topic) for topic in topics]
        made.open(found)
        return made

    def check(self, group: str, topics: Sequence[str]) -> None:
        """Raises ValueError where the group reads one of these topics already."""
        taken = {claim for claims in self._claims.values() for claim in claims}
        for topic in topics:
            if (group, topic) in taken:
                raise ValueError(f"group {group} is subscribed to {topic} already")

    def forget(self, subscription: JournalSubscription) -> None:
        self._claims.pop(subscription, None)

    def cut(self) -> None:
        """Nothing is delivered any more."""
        for subscription in list(self._claims):
            subscription.cut()
        self._claims.clear()

    def on_batch(self, batch: Batch) -> None:
        """The one wake-up of the loop for one transaction. Records first: a subscription that opens in the same
        batch finds them through its partition's head."""
        for topic, number, head in batch.heads:
            self._jump(topic, number, head)
        if batch.heads:
            self._look_everywhere()
        if batch.records:
            self._hand_out(batch.records)
        for done, value in batch.outcomes:
            done(value)
        for exc in batch.errors:
            asyncio.get_running_loop().call_exception_handler({"message": "an append failed", "exception": exc})

    def _find(self, topics: Sequence[str], numbers: Sequence[int] | None) -> list[Partition]:
        found: list[Partition] = []
        for topic in topics:
            own = self._partitions.get(topic, [])
            if not own or (numbers is not None and not 0 <= min(numbers) <= max(numbers) < len(own)):
                raise ValueError(f"no such partitions of a declared topic {topic}")
            found += own if numbers is None else [own[n] for n in numbers]
        return found

    def _take(self, group: str | None, part: Partition) -> int:
        key = group, part.topic, part.number
        self._taken[key] = self._taken.get(key, 0) + 1
        return self._taken[key]

    def _jump(self, topic: str, number: int, head: int) -> None:
        parts = self._partitions[topic]
        if number < len(parts):  # the file may have more than were declared
            parts[number].jump(head)

    def _look_everywhere(self) -> None:
        for subscription in list(self._claims):
            subscription.lagging = True
            subscription.flush()

    def _hand_out(self, records: list[Record]) -> None:
        touched: dict[JournalSubscription, None] = {}
        partitions = self._partitions
        for record in records:
            partition = partitions[record.topic][record.partition]
            partition.push(record)
            for cursor in partition.cursors:
                cursor.reader.offer(cursor, record)
                touched[cursor.reader] = None
        for subscription in touched:
            subscription.flush()
