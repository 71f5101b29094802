"""A member of a group in a process of its own: prints what it gets, commits when told. Driven over stdin.

    python -m tests.contract.kafka_member URL PREFIX GROUP TOPIC...
A line "commit" commits everything delivered so far under the ownership it came in; "end" ends it.
"""

import asyncio
import sys

from parlance.bus import Record
from parlance.bus_choice import kafka_kind
from parlance.config import load
from parlance.events import TopicInfo


async def main(url: str, prefix: str, group: str, *topics: str) -> None:
    bus = kafka_kind(load().kafka_client)(url, prefix=prefix)
    bus.declare([TopicInfo(name, 4) for name in topics])
    await bus.start()
    got: list[tuple[Record, int]] = []

    def deliver(records: list[Record]) -> None:
        for record in records:
            got.append((record, subscription.ownership(record.topic, record.partition)))
            print(record.topic, record.partition, record.offset, got[-1][1], record.value.decode(), flush=True)

    subscription = bus.subscribe(group, topics, deliver)
    await subscription.caught_up()
    print("ready", flush=True)
    while (line := (await asyncio.to_thread(sys.stdin.readline)).strip()) not in ("", "end"):
        if line == "commit":
            for record, ownership in got:
                subscription.commit(record.topic, record.partition, record.offset + 1, ownership)
            await asyncio.sleep(0.5)
            print("committed", flush=True)
    await bus.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
