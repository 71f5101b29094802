"""Builds the ledger, which reads the log lazily; over PostgreSQL, its Faust app does that, in a process of its own."""

from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.process import Running, ready_at_once
from parlance.rpc import Carrier
from services.ledger.service import LedgerService, place
from services.ledger.traces import Traces


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    config = ground.config
    ledger = LedgerService(ground.bus, place(config), config.time_zone, reads_log=not config.database)
    await stack.enter_async_context(ledger.opened())
    tasks = [ready_at_once(ledger.run)]
    if ground.config.otlp:
        tasks.append(ready_at_once(Traces(ground.bus, ground.config.otlp).run))
    return Running(services={"Ledger": ledger}, tasks=tasks)
