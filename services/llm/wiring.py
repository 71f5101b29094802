"""Builds llm, with the answers that may be asked for again."""

from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from parlance import clock, config
from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from parlance.v1.llm_pb2 import LlmEvent
from services.llm import catalogue
from services.llm.consents import Consents
from services.llm.following import Following
from services.llm.parts import Parts
from services.llm.service import LlmService
from services.llm.spending import Spending


async def start(ground: Ground, publish: Callable[[LlmEvent], Any], stack: AsyncExitStack) -> LlmService:
    spending, consents = Spending(clock.now_us), Consents(ground.bus, ground.sealing.seal)
    await consents.start()
    stack.push_async_callback(consents.stop)
    parts = Parts(
        models=catalogue.load(ground.config.catalogue),
        consent=consents.of,
        consents=consents.all_of,
        remember=consents.remember,
        spending=spending,
        follow=Following(ground, spending, stack),
    )
    made = LlmService(publish, lambda: ground.routes.current("llm"), config.secret, parts)
    llm = await stack.enter_async_context(made)
    async with aclosing(ground.recent(LlmEvent)) as events:
        async for event in events:
            llm.recover(event)
    llm.warm_soon()
    return llm


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    return Running(services={"Llm": await start(ground, ground.written, stack)})
