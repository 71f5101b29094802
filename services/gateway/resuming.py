"""Devices whose conversations broke off here, or elsewhere: whether they come back, and the replies that sound on."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError

from parlance import clock
from parlance.bus import Record, Subscription, partition_of, topic_name
from parlance.events import TOPICS, kind, parse, topic_of
from parlance.v1.gateway_service_pb2 import Resume
from parlance.v1.reply_pb2 import ReplyEvent
from parlance.v1.session_pb2 import SessionEvent
from parlance.v1.turn_pb2 import MODALITY_UNASKED, Header
from services.gateway.parts import Parts
from services.gateway.reply import Reply

if TYPE_CHECKING:
    from services.gateway.device import Device

K = TypeVar("K")
T = TypeVar("T")
# So long a client that resumes has time to come back.
RESUMED_WITHIN_S = 5.0
# Clocks of two gateways may differ.
_EARLIER_US = 5_000_000
_KEPT = 4096


@dataclass(slots=True)
class _Reading:
    """Who reads the reply of a turn from an earlier place on, and for whom."""

    reply: Reply
    partition: int
    subscription: Subscription


class Comebacks:
    def __init__(self, parts: Parts, group: asyncio.TaskGroup) -> None:
        self._parts, self._group = parts, group
        self._readings: dict[str, _Reading] = {}
        # Turns that were open when their devices' conversations broke off here, and when that was (microseconds).
        self._left: OrderedDict[str, int] = OrderedDict()
        self._since_us = clock.now_us()

    def left(self, device: "Device") -> None:
        for turn_id in device.turns if device.resumes else ():
            keep(self._left, turn_id, clock.now_us())

    def left_at(self, header: Header) -> int:
        """Since when the device of this turn, which is not here, may be on its way back; 0 where none will come. Of
        what was accepted in an earlier life of this gateway nothing is known."""
        if header.run or header.modality == MODALITY_UNASKED:
            return 0
        earlier = header.accepted_at_us if header.accepted_at_us < self._since_us else 0
        return self._left.get(header.turn_id, earlier)

    def read(self, turn_id: str, reply: Reply, resume: Resume, deliver: Callable[[list[Record]], None]) -> None:
        """Delivers what stands where the turn's reply is, from its beginning on, until `stop`."""
        if (before := self._readings.get(turn_id)) is not None:  # it came back once more
            self._group.create_task(_stopped(before.subscription))
        place = resume.partition % topic_of(ReplyEvent).partitions
        reading = self._parts.bus.subscribe(
            None, [topic_name(ReplyEvent)], deliver, partitions=[place], from_us=resume.since_us
        )
        self._readings[turn_id] = _Reading(reply, place, reading)

    def reads(self, turn_id: str, partition: int) -> bool:
        """Whether what stands there of the turn is delivered by `read`; twice would be in another order."""
        found = self._readings.get(turn_id)
        return found is not None and found.partition == partition and not found.reply.is_cut

    async def stop(self, turn_id: str, reply: Reply) -> None:
        found = self._readings.get(turn_id)
        if found is not None and found.reply is reply:
            del self._readings[turn_id]
            await found.subscription.stop()

    async def goes_on(self, header: Header, since_us: int) -> bool:
        """Whether the turn of `header`, whose conversation broke off then, sounds on here or at another gateway."""
        here = self._readings.get(header.turn_id)
        return (here is not None and not here.reply.is_cut) or await resumed(self._parts, header, since_us)


async def resumed(parts: Parts, header: Header, since_us: int) -> bool:
    """Whether a gateway has said, since then, that the turn of `header` sounds on there."""
    topic = topic_name(SessionEvent)
    partition = partition_of(header.session_id.encode(), TOPICS[topic].partitions)
    start = await parts.bus.offset_at(topic, partition, since_us - _EARLIER_US)
    while records := await parts.bus.read(topic, partition, start):
        if any(_says_so(parts, record, header.turn_id, since_us) for record in records):
            return True
        start = records[-1].offset + 1
    return False


def _says_so(parts: Parts, record: Record, turn_id: str, since_us: int) -> bool:
    """What this gateway said before that was about the conversation that broke off."""
    try:
        event = parse(record.topic, record.value)
    except DecodeError:
        return False
    if kind(event) != "attached" or event.attached.resumes != turn_id:
        return False
    header: Header = event.header
    return header.reply_partition != parts.slot or header.accepted_at_us >= since_us


async def _stopped(subscription: Subscription) -> None:
    await subscription.stop()


def keep(newest: "OrderedDict[K, T]", key: K, value: T) -> None:
    """The oldest of very many are forgotten."""
    newest[key] = value
    newest.move_to_end(key)
    while len(newest) > _KEPT:
        newest.popitem(last=False)
