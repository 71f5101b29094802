"""Builds intent, its model loaded."""

import asyncio
from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.handler_stage import stateless
from parlance.process import Running
from parlance.rpc import Carrier
from parlance.stage import Stage
from parlance.v1.intent_pb2 import IntentEvent
from services.intent import handler, provider

STAGE = "intent"
TOPICS = ("session.v1", "speech.v1")


async def start(ground: Ground) -> Stage:
    understand = await asyncio.to_thread(provider.open_route, ground.routes.current(STAGE), ground.config.home)
    return stateless(
        STAGE,
        ground.bus,
        ground.sealing,
        lambda event: handler.understand(event, understand),
        IntentEvent,
        handler.KINDS,
    )


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    stage = await start(ground)
    return Running(stage=stage, tasks=[lambda ready: stage.run(TOPICS, ready)])
