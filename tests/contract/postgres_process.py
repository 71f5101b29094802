"""A process that saves rows with their events and appends beside them until it is killed; it counts up.

    python -m tests.contract.postgres_process DATABASE KAFKA TOPIC unsent|on SESSION
unsent: dies after a row's commit, before anything is handed to Kafka.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from parlance import postgres_address
from parlance.bus_kafka import KafkaBus
from parlance.bus_relayed import RelayedBus
from parlance.events import TopicInfo
from parlance.postgres_database import Database
from parlance.relay_outbox import Outbox
from parlance.store_postgres import PostgresStore
from tests.contract.bus_suite_tools import out


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(database: str, kafka: str, name: str, how: str, session: str) -> None:
    topic = TopicInfo(name, 4)
    bus = RelayedBus(Database(postgres_address.parse(database)), KafkaBus(kafka))
    bus.declare([topic])
    await bus.start()
    store, key = PostgresStore(bus), session.encode()
    version, row = await store.load("stage", session)
    n = int(row or b"0")
    if how == "unsent":
        Outbox.hand = die  # type: ignore[method-assign]
    while True:
        saved = store.save("stage", session, version, b"%d" % (n + 2), None, [out(topic, b"%d" % n, key)])
        bus.append([out(topic, b"%d" % (n + 1), key)])
        version = await saved
        print(n, flush=True)
        n += 2


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
