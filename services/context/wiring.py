"""Builds context, with the answers that may be asked for again."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from parlance import clock
from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from parlance.v1.context_pb2 import ContextEvent
from services.context.service import ContextService


async def start(ground: Ground, publish: Callable[[Any], None]) -> ContextService:
    context = ContextService(ground.store, ground.sealing, publish)
    await context.start()
    loop = asyncio.get_running_loop()
    async with aclosing(ground.recent(ContextEvent)) as events:
        async for event in events:
            left = (event.header.deadline_us - clock.now_us()) / 1e6
            context.recall(event, loop.time() + left)
    return context


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    return Running(services={"Context": await start(ground, ground.publish)})
