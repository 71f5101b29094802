"""The bus map: every topic as the protos' options declare it, since a schema checker does not see options.

After a change that is meant: PARLANCE_UPDATE_GOLDEN=1 .venv/bin/pytest tests/unit/test_bus_map.py
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor

import parlance.v1
from parlance import events
from parlance.v1 import options_pb2

GOLDEN = Path(__file__).parents[1] / "golden" / "bus_map.txt"
DAY_MS = 24 * 60 * 60 * 1000


def declared() -> Iterator[Descriptor]:
    """All messages of parlance.v1 that declare a topic."""
    for found in pkgutil.iter_modules(parlance.v1.__path__):
        if not found.name.endswith("_pb2"):
            continue
        module = importlib.import_module(f"parlance.v1.{found.name}")
        for message in module.DESCRIPTOR.message_types_by_name.values():
            if message.GetOptions().HasExtension(options_pb2.topic):
                yield message


def bus_map() -> str:
    return "\n".join(_topic_lines(message) for message in sorted(declared(), key=_name)) + "\n"


def _name(message: Descriptor) -> str:
    return message.GetOptions().Extensions[options_pb2.topic].name


def _topic_lines(message: Descriptor) -> str:
    topic = message.GetOptions().Extensions[options_pb2.topic]
    key = options_pb2.TopicKey.Name(topic.key).removeprefix("TOPIC_KEY_").lower()
    kept = f"{topic.retention_ms / DAY_MS:g} days" if topic.retention_ms else "for ever"
    flags = [name for name in ("compacted", "durable") if getattr(topic, name)]
    head = f"{topic.name}  key {key}, {topic.partitions} partitions, kept {kept}, written by {topic.producer or '*'}"
    oneof = message.oneofs_by_name.get("event")
    payloads = [_payload_line(field) for field in oneof.fields] if oneof else []
    return "\n".join([", ".join([head, *flags]), f"  {message.name}", *payloads])


def _payload_line(field: FieldDescriptor) -> str:
    body = field.message_type
    assert body is not None, field.name
    options = body.GetOptions().Extensions
    marks = [name for name in ("opens_turn", "ends_turn", "cuts_turn") if options[getattr(options_pb2, name)]]
    personal = [f.name for f in body.fields if f.GetOptions().Extensions[options_pb2.personal]]
    if personal:
        marks.append(f"personal: {' '.join(personal)}")
    return f"    {field.number} {field.name} {body.name}" + (f"  ({'; '.join(marks)})" if marks else "")


def test_the_bus_map_is_the_golden_one() -> None:
    made = bus_map()
    if os.environ.get("PARLANCE_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(made)
    assert made == GOLDEN.read_text(), "if the change is meant, run this file with PARLANCE_UPDATE_GOLDEN=1"


def test_every_declared_topic_is_known_to_the_library() -> None:
    names = {_name(message) for message in declared()}
    assert names == {*events.TOPICS, events.dead_topic("*").name}


def test_every_topic_has_one_producer_a_key_and_partitions() -> None:
    for message in declared():
        topic = message.GetOptions().Extensions[options_pb2.topic]
        assert topic.key != options_pb2.TOPIC_KEY_UNSPECIFIED, topic.name
        assert topic.partitions > 0, topic.name
        assert topic.producer, topic.name


def test_session_keyed_topics_have_equal_partitions() -> None:
    counts = {info.partitions for info in events.TOPICS.values() if info.key == options_pb2.TOPIC_KEY_SESSION}
    assert len(counts) == 1
