"""From an event to the record that carries it.

Time and trace live in the record's headers, never in the message, so that running a turn again gives the same bytes.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from parlance import clock, ids
from parlance.bus import Out, partition_of
from parlance.events import begun, topic_of
from parlance.v1 import options_pb2
from parlance.v1.turn_pb2 import Header

Seal = Callable[[Any], bytes]
BEGAN = "began_us"


def record_of(event: Any, seal: Seal, began_us: int = 0) -> Out:
    """`began_us`: when the work that led to this event began; the record's own ts is its end."""
    info = topic_of(type(event))
    header = event.header
    key = (header.user_id if info.key == options_pb2.TOPIC_KEY_USER else header.session_id).encode()
    if info.key == options_pb2.TOPIC_KEY_ADDRESS:
        partition = header.reply_partition % info.partitions
    else:
        partition = partition_of(key, info.partitions)
    return Out(info.name, partition, key, seal(event), ((BEGAN, b"%d" % (began_us or clock.now_us())),))


def caused_by(cause: Header, body: Message, n: int = 0) -> Header:
    """The header of the n-th event of its kind that the event with header `cause` led to."""
    header = Header()
    _cause(header, cause, body, n)
    return header


def _cause(header: Header, cause: Header, body: Message, n: int) -> None:
    header.CopyFrom(cause)
    header.causation_id = cause.event_id
    header.event_id = ids.event_id(cause.run, cause.event_id, body.DESCRIPTOR.name, n)


def follow(cls: type[Message], cause: Header, body: Message, n: int = 0) -> Any:
    """The event of class `cls` with payload `body`, caused by the event with header `cause`."""
    event = begun(cls, body)
    _cause(event.header, cause, body, n)
    return event
