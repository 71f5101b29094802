"""Events that cannot be handled: bytes that are none, and some whose handler must fail."""

import os
import random
from dataclasses import dataclass

from parlance import clock, ids
from parlance.bus import Out, partition_of, topic_name
from parlance.events import TOPICS, to_bytes, wrap
from parlance.v1.effect_pb2 import EffectEvent, TimerFired
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.turn_pb2 import Header, Modality

# Which stage reads what.
READERS = {
    "session.v1": ("intent", "dialogue"),
    "speech.v1": ("intent",),
    "intent.v1": ("dialogue",),
    "effect.v1": ("dialogue",),
    "reply.v1": (),
    "llm.v1": (),
    "context.v1": (),
    "voice.v1": (),
    "state.v1": (),
}
_FAILING = (
    (SessionEvent, TurnAccepted()),
    (SpeechEvent, FinalTranscript()),
    (IntentEvent, IntentRecognized(intent="list.add")),
    (EffectEvent, TimerFired(timer_id="poison")),
)


@dataclass(frozen=True)
class Poison:
    """`stages`: whose dead letters must have it."""

    topic: str
    partition: int
    value: bytes
    stages: tuple[str, ...]

    def out(self) -> Out:
        return Out(self.topic, self.partition, b"poison", self.value)


def made(dice: random.Random, key_id: str) -> Poison:
    """One of either kind. `key_id`: of the user's key, so that what is sealed with it is opened, and cannot be."""
    if dice.random() < 0.5:
        topic = dice.choice(sorted(READERS))
        partition = dice.randrange(TOPICS[topic].partitions)
        return Poison(topic, partition, b"\xff\xff" + os.urandom(30), READERS[topic])
    cls, body = dice.choice(_FAILING)
    now = clock.now_us()
    session = f"poison-{dice.randrange(100)}"
    header = Header(event_id=ids.new(), turn_id=ids.new(), session_id=session, user_id="owner", device_id="poison")
    header.accepted_at_us = header.asked_at_us = now
    header.deadline_us, header.modality = now + 30_000_000, Modality.MODALITY_TYPED
    event = wrap(cls, header, body)
    topic = topic_name(cls)
    event.sealed.key_id, event.sealed.topic = key_id, topic
    event.sealed.nonce, event.sealed.ciphertext = os.urandom(12), os.urandom(40)
    partition = partition_of(session.encode(), TOPICS[topic].partitions)
    return Poison(topic, partition, to_bytes(event), READERS[topic])
