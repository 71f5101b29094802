"""Builds dialogue over the services that it asks."""

from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from services.dialogue.dialogue import TOPICS, Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts


def start(ground: Ground, carrier: Carrier) -> Dialogue:
    return Dialogue(Parts(ground.bus, ground.store, ground.sealing, carrier, converse))


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    stage = start(ground, carrier).stage
    return Running(stage=stage, tasks=[lambda ready: stage.run(TOPICS, ready)])
