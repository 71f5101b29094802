"""Whether a device whose conversation broke off here goes on with another gateway."""

from parlance.bus import partition_of, topic_name
from parlance.events import TOPICS, kind, parse
from parlance.v1.session_pb2 import SessionEvent
from parlance.v1.turn_pb2 import Header
from services.gateway.parts import Parts

# So long a client that resumes has time to come back.
RESUMED_WITHIN_S = 5.0
# Clocks of two gateways may differ.
_EARLIER_US = 5_000_000


async def resumed(parts: Parts, header: Header, since_us: int) -> bool:
    """Whether a gateway has said, since then, that the turn of `header` sounds on there."""
    topic = topic_name(SessionEvent)
    partition = partition_of(header.session_id.encode(), TOPICS[topic].partitions)
    start = await parts.bus.offset_at(topic, partition, since_us - _EARLIER_US)
    while records := await parts.bus.read(topic, partition, start):
        for record in records:
            event = parse(topic, record.value)
            if kind(event) == "attached" and event.attached.resumes == header.turn_id:
                return True
        start = records[-1].offset + 1
    return False
