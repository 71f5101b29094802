"""Builds tts, its voice warm."""

from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from services.tts.service import TtsService


async def start(ground: Ground) -> TtsService:
    made = TtsService(ground.publish, lambda: ground.routes.current("tts"), home=ground.config.home)
    await made.warm()
    return made


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    return Running(services={"Tts": await start(ground)})
