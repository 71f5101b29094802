"""Builds the ledger, which reads the log lazily."""

from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.process import Running, ready_at_once
from parlance.rpc import Carrier
from services.ledger.service import LedgerService
from services.ledger.traces import Traces


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    ledger = LedgerService(ground.bus, ground.config.ledger, ground.config.time_zone)
    await stack.enter_async_context(ledger.opened())
    tasks = [ready_at_once(ledger.run)]
    if ground.config.otlp:
        tasks.append(ready_at_once(Traces(ground.bus, ground.config.otlp).run))
    return Running(services={"Ledger": ledger}, tasks=tasks)
