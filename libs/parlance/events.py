"""Topics and events, read from the protos' options: no service spells a topic.

An event is a topic's message: a header and one payload in the oneof `event`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.message import Message

from parlance.v1 import (
    consent_pb2,
    context_pb2,
    control_pb2,
    dead_pb2,
    effect_pb2,
    intent_pb2,
    llm_pb2,
    options_pb2,
    reply_pb2,
    session_pb2,
    speech_pb2,
    state_pb2,
    voice_pb2,
)
from parlance.v1.turn_pb2 import Header

EVENT_CLASSES: tuple[type[Message], ...] = (
    session_pb2.SessionEvent,
    speech_pb2.SpeechEvent,
    intent_pb2.IntentEvent,
    reply_pb2.ReplyEvent,
    state_pb2.StateEvent,
    effect_pb2.EffectEvent,
    llm_pb2.LlmEvent,
    context_pb2.ContextEvent,
    voice_pb2.VoiceEvent,
    control_pb2.ControlEvent,
    consent_pb2.ConsentEvent,
)


@dataclass(frozen=True, slots=True)
class TopicInfo:
    name: str
    partitions: int
    producer: str = ""
    key: int = options_pb2.TOPIC_KEY_SESSION
    retention_ms: int = 0
    compacted: bool = False
    durable: bool = False


def _info(cls: type[Message], name: str = "") -> TopicInfo:
    t = cls.DESCRIPTOR.GetOptions().Extensions[options_pb2.topic]
    return TopicInfo(name or t.name, t.partitions, t.producer, t.key, t.retention_ms, t.compacted, t.durable)


_TOPIC_OF: dict[type[Message], TopicInfo] = {cls: _info(cls) for cls in EVENT_CLASSES}
_CLASS_OF: dict[str, type[Message]] = {info.name: cls for cls, info in _TOPIC_OF.items()}
TOPICS: dict[str, TopicInfo] = {info.name: info for info in _TOPIC_OF.values()}


def topic_of(cls: type[Message]) -> TopicInfo:
    return _TOPIC_OF[cls]


@cache
def dead_topic(stage: str) -> TopicInfo:
    """The topic of a stage's dead letters."""
    return _info(dead_pb2.DeadLetter, f"{stage}.dead.v1")


def parse(topic: str, value: bytes) -> Any:
    """The event of a record's bytes, personal fields still sealed; DecodeError where they are none."""
    return _CLASS_OF[topic].FromString(value)


def kind(event: Any) -> str:
    """Which payload an event has: "final"; "" for none."""
    return event.WhichOneof("event") or ""


def payload(event: Any) -> Any:
    return getattr(event, event.WhichOneof("event"))


def _payloads(cls: type[Message]) -> Any:
    return cls.DESCRIPTOR.oneofs_by_name["event"].fields


# (event class, name of the payload's type) -> field
_FIELDS: dict[tuple[type[Message], str], str] = {
    (cls, field.message_type.name): field.name for cls in EVENT_CLASSES for field in _payloads(cls)
}


def wrap(cls: type[Message], header: Header, body: Message) -> Any:
    """The event of class `cls` with this header and payload (both copied)."""
    event = begun(cls, body)
    event.header.CopyFrom(header)
    return event


def begun(cls: type[Message], body: Message) -> Any:
    """The event of class `cls` with this payload (copied); its header is to be filled in."""
    event = cls()
    getattr(event, _FIELDS[cls, body.DESCRIPTOR.name]).CopyFrom(body)
    return event


def _marked(option: Any) -> frozenset[str]:
    """The names of the payloads whose option is set."""
    types = (f.message_type for c in EVENT_CLASSES for f in _payloads(c))
    return frozenset(t.name for t in types if t.GetOptions().Extensions[option])


_OPENS, _ENDS, _CUTS = (
    _marked(option) for option in (options_pb2.opens_turn, options_pb2.ends_turn, options_pb2.cuts_turn)
)


def opens_turn(body: Message) -> bool:
    return body.DESCRIPTOR.name in _OPENS


def ends_turn(body: Message) -> bool:
    return body.DESCRIPTOR.name in _ENDS


def cuts_turn(body: Message) -> bool:
    return body.DESCRIPTOR.name in _CUTS


# The stages with dead letters of their own.
STAGES = ("intent", "dialogue")


def declared() -> list[TopicInfo]:
    """Every topic of the protos, and the stages' dead letters; by name."""
    return sorted([*TOPICS.values(), *map(dead_topic, STAGES)], key=lambda info: info.name)


def to_bytes(message: Message) -> bytes:
    """Deterministic serialisation: the same message gives the same bytes."""
    return message.SerializeToString(deterministic=True)
