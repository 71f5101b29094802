"""A ledger that reads a journal in small batches until it is killed; it prints a line after each that it has saved.

python -m tests.unit.ledger_process HOME
"""

import asyncio
import sys
from pathlib import Path

from parlance.bus_journal import JournalBus
from parlance.events import EVENT_CLASSES, topic_of
from services.ledger import projector
from services.ledger.service import LedgerService
from services.ledger.store_sqlite import SqliteLedger


def journal(home: Path) -> JournalBus:
    bus = JournalBus(home / "journal.db")
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    return bus


async def main(home: Path) -> None:
    save = SqliteLedger.save

    def tell(*given: object) -> None:
        save(*given)  # type: ignore[arg-type]
        print("saved", flush=True)

    SqliteLedger.save = tell  # type: ignore[method-assign, assignment]
    projector._BATCH = 7
    bus = journal(home)
    ledger = LedgerService(bus, home / "ledger.db")
    await bus.start()
    async with ledger.opened():
        await ledger.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
