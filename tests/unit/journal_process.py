"""A process that publishes to a journal and prints each acknowledged record, until it is killed.

python -m tests.unit.journal_process FILE ROUND
"""

import asyncio
import sys
from pathlib import Path

from parlance.bus import Out, Record
from parlance.bus_journal import JournalBus
from parlance.events import TopicInfo

TOPIC = TopicInfo("kill.v1", 2)


def tell(future: "asyncio.Future[Record]") -> None:
    record = future.result()
    print(record.partition, record.offset, record.value.decode(), flush=True)


async def main(path: Path, round_: str) -> None:
    bus = JournalBus(path)
    bus.declare([TOPIC])
    await bus.start()

    def done(records: list[Record]) -> None:
        for record in records:
            subscription.commit(record.topic, record.partition, record.offset + 1, 1)

    subscription = bus.subscribe("g", [TOPIC.name], done)
    for n in range(10_000_000):
        future = bus.publish(Out(TOPIC.name, n % 2, b"k", f"{round_}-{n}".encode()))
        future.add_done_callback(tell)
        if n % 8 == 7:
            await future


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
