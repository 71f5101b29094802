"""Builds speech, loaded and ready."""

import asyncio
from contextlib import AsyncExitStack

from parlance import models
from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from services.speech.recognisers import Recognisers
from services.speech.service import SpeechService
from services.speech.vad import VoiceActivity


async def start(ground: Ground) -> SpeechService:
    home = ground.config.home
    detector = await asyncio.to_thread(lambda: VoiceActivity(models.locate("silero-vad", home)))
    recognisers = Recognisers(ground)
    await recognisers.load(ground.routes.current("speech"))
    return SpeechService(ground.tell, recognisers.current, detector.stream, recognisers.load_now)


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    speech = await start(ground)
    return Running(services={"Speech": speech}, drain=[speech.drain])
