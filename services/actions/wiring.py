"""Builds actions and the ticker that makes its timers go off."""

from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.process import Running, ready_at_once
from parlance.rpc import Carrier
from services.actions.service import ActionsService
from services.actions.ticker import Ticker


async def start(ground: Ground) -> tuple[ActionsService, Ticker]:
    ticker = Ticker(ground.store, ground.sealing)
    actions = ActionsService(ground.store, ground.sealing, ticker)
    await actions.start()
    return actions, ticker


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    actions, ticker = await start(ground)
    return Running(services={"Actions": actions}, tasks=[ready_at_once(ticker.run)])
