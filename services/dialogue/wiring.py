"""Builds dialogue over the services that it asks."""

from contextlib import AsyncExitStack

from parlance.bus import Bus
from parlance.bus_journal import JournalBus
from parlance.ground import Ground
from parlance.process import Running
from parlance.rpc import Carrier
from services.dialogue.dialogue import TOPICS, Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts
from services.dialogue.persona import persona_of


def start(ground: Ground, carrier: Carrier) -> Dialogue:
    parts = Parts(ground.bus, ground.store, ground.sealing, carrier, converse, lead_s=lead_s(ground.bus))
    parts.persona = persona_of(ground.config)
    return Dialogue(parts)


def lead_s(bus: Bus) -> float:
    """Kafka's client writes on the loop, and takes a millisecond; the journal is written in a thread."""
    return 0.0 if isinstance(bus, JournalBus) else 0.001


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    stage = start(ground, carrier).stage
    return Running(stage=stage, tasks=[lambda ready: stage.run(TOPICS, ready)])
