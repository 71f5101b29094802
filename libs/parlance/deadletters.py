"""Dead letters: what a stage could not handle, kept as it came, listed and replayed by `parlance dlq`."""

from contextlib import suppress

from google.protobuf.message import DecodeError

from parlance import clock
from parlance.bus import Out, Record
from parlance.errors import InvalidRequest, ParlanceError
from parlance.events import TOPICS, dead_topic, to_bytes
from parlance.v1.dead_pb2 import DeadLetter


def no_event(topic: str) -> InvalidRequest:
    """Why a record is a dead letter whose bytes are none."""
    return InvalidRequest(f"no event of {topic}: another program or a newer Parlance wrote it")


def letter_of(stage: str, record: Record) -> DeadLetter:
    """The letter in a record of the stage's dead letters; one that stands for the record itself where it holds none."""
    with suppress(DecodeError):
        letter = DeadLetter.FromString(record.value)
        if letter.topic in TOPICS:
            return letter
    place = DeadLetter(stage=stage, topic=record.topic, partition=record.partition, offset=record.offset)
    place.value, place.died_at_us = record.value, record.ts_us
    place.error.CopyFrom(no_event(record.topic).to_proto())
    return place


def dead_letter(stage: str, record: Record, error: ParlanceError, attempts: int, turn_id: str) -> Out:
    letter = DeadLetter(
        stage=stage,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        error=error.to_proto(),
        attempts=attempts,
        turn_id=turn_id,
        died_at_us=clock.now_us(),
    )
    return Out(dead_topic(stage).name, 0, record.key, to_bytes(letter))
