"""Spoken turns that an earlier life of this gateway was hearing. Their sound is lost, so they end when it is back, not
only when they have had their minute: until then, other devices of the session would wait for them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import DecodeError

from parlance.bus import topic_name
from parlance.events import TOPICS, kind, parse
from parlance.log import logger
from parlance.v1.session_pb2 import SessionEvent
from parlance.v1.speech_pb2 import SpeechEvent
from parlance.v1.turn_pb2 import Header, Modality
from services.gateway.parts import Parts


async def unheard(parts: Parts, since_us: int) -> list[Header]:
    """The headers of spoken turns of this gateway, accepted since then, of which speech has told nothing."""
    found: dict[str, Header] = {}
    async with aclosing(_events(parts, SessionEvent, since_us)) as events:
        async for event in events:
            header = event.header
            if kind(event) != "accepted":
                found.pop(header.turn_id, None)
            elif header.modality == Modality.MODALITY_SPOKEN and header.reply_partition == parts.slot:
                found[header.turn_id] = header
    async with aclosing(_events(parts, SpeechEvent, since_us)) as events:
        async for event in events:
            found.pop(event.header.turn_id, None)
    return list(found.values())


async def _events(parts: Parts, cls: type[Any], since_us: int) -> AsyncGenerator[Any, None]:
    """Personal fields stay sealed."""
    topic = topic_name(cls)
    for partition in range(TOPICS[topic].partitions):
        start = await parts.bus.offset_at(topic, partition, since_us)
        while records := await parts.bus.read(topic, partition, start):
            for record in records:
                try:
                    yield parse(topic, record.value)
                except DecodeError:
                    logger.warning("gateway: a record of %s could not be read", topic)
            start = records[-1].offset + 1
