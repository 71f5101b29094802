"""Builds llm, with the answers that may be asked for again."""

from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from parlance import config
from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from parlance.v1.llm_pb2 import LlmEvent
from services.llm.service import LlmService


async def start(ground: Ground, publish: Callable[[LlmEvent], Any], stack: AsyncExitStack) -> LlmService:
    made = LlmService(publish, lambda: ground.routes.current("llm"), config.secret)
    llm = await stack.enter_async_context(made)
    async with aclosing(ground.recent(LlmEvent)) as events:
        async for event in events:
            llm.recover(event)
    return llm


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    return Running(services={"Llm": await start(ground, ground.written, stack)})
