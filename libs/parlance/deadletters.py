"""Dead letters: what a stage could not handle, kept as it came, listed and replayed by `parlance dlq`."""

from parlance import clock
from parlance.bus import Out, Record
from parlance.errors import ParlanceError
from parlance.events import dead_topic, to_bytes
from parlance.v1.dead_pb2 import DeadLetter


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
