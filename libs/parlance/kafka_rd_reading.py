"""One librdkafka consumer in a thread of its own: reads the places that it is given, and knows of no group."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from parlance.bus import Record
from parlance.kafka_address import Address
from parlance.kafka_feed import MOST
from parlance.kafka_ownership import Place
from parlance.kafka_rd import LOOK_S, REQUEST_BYTES, error_of, settings, tell

# So much librdkafka may have fetched while nobody takes it; beyond that lies at most one batch.
_FETCHED_KB = 16 << 10


class Reading(threading.Thread):
    """`news` is called in the loop when there is something to take. Which places are read is said with a number that
    grows: records of an earlier one are never given."""

    def __init__(self, address: Address, group: str, news: Callable[[], None]) -> None:
        super().__init__(name="kafka-fetch", daemon=True)
        self._news = news
        self._loop = asyncio.get_running_loop()
        told = settings(address) | {
            # Nothing of a group is done with it; the client wants a name.
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 500,
            "fetch.error.backoff.ms": 100,
            "fetch.queue.backoff.ms": 5,
            "max.partition.fetch.bytes": REQUEST_BYTES,
            "queued.max.messages.kbytes": _FETCHED_KB,
        }
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._over = threading.Event()
        self.ended = asyncio.Event()
        # Under the lock.
        self._wanted: tuple[int, dict[Place, int]] | None = None
        self._number = 0
        self._records: dict[Place, list[Record]] = {}
        self._positions: dict[Place, int] = {}
        self._told = False
        # The thread's own.
        self._places: tuple[Place, ...] = ()
        self._ends: dict[Place, int] = {}
        self._look_at = 0.0
        self._error: Exception | None = None
        try:
            self._consumer: Any = Consumer(told)
        except KafkaException as exc:
            raise error_of(exc.args[0]) from exc

    def read(self, number: int, begins: Mapping[Place, int]) -> None:
        """From these offsets on; nothing else any more."""
        with self._lock:
            self._wanted = number, dict(begins)
        self._room.set()

    def taken(self, number: int) -> tuple[dict[Place, list[Record]], dict[Place, int]]:
        """What has come of what is read under this number, and the offsets behind it. Raises KafkaError where a place
        cannot be read."""
        with self._lock:
            error, self._error = self._error, None
            records, positions = self._records, self._positions
            self._records, self._positions, self._told = {}, {}, False
            current = number == self._number
        self._room.set()
        if error is not None:
            raise error
        return (records, positions) if current else ({}, {})

    def end_of(self, place: Place) -> int:
        """As far as the broker's last answer tells; 0 where nothing is known."""
        return self._ends.get(place, 0)

    def end(self) -> None:
        self._over.set()
        self._room.set()

    def run(self) -> None:
        consumer = self._consumer
        try:
            while not self._over.is_set():
                self._step(consumer)
        finally:
            self._consumer = None
            consumer.close()
            tell(self._loop, self.ended.set)

    def _step(self, consumer: Any) -> None:
        self._room.clear()
        self._look_at_ends(consumer)
        # More comes with what nobody has taken yet; asking for the interpreter would hold that up.
        stands = self._told or (self._wanted is None and not self._number)
        if stands and not self._room.wait(LOOK_S):
            return
        self._turn_to(consumer)
        # Each call gives the interpreter up and has to get it back: one where there is much, and no second one for the
        # one record that was waited for.
        found = consumer.consume(MOST, 0) or [consumer.poll(LOOK_S)]
        if found[0] is None:
            return
        with self._lock:
            for message in found:
                self._take(message)
            if self._told:
                return
            self._told = True
        if not tell(self._loop, self._news):
            self._over.set()

    def _turn_to(self, consumer: Any) -> None:
        """What librdkafka has queued of the places before, it drops."""
        with self._lock:
            if self._wanted is None:
                return
            number, begins = self._wanted
            self._wanted = None
        consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in begins.items()])
        with self._lock:
            self._number, self._places = number, tuple(begins)
            self._records, self._positions, self._told = {}, {}, False

    def _look_at_ends(self, consumer: Any) -> None:
        """Here and nowhere else: asked in another thread, while this one waits in `poll`, the client stands still for
        ever (confluent-kafka 2.16)."""
        if (now := time.monotonic()) < self._look_at:
            return
        self._look_at = now + LOOK_S
        for place in self._places:
            _, self._ends[place] = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)

    def _take(self, message: Any) -> None:
        error, place = message.error(), (message.topic(), message.partition())
        if error is None:
            self._records.setdefault(place, []).append(_record_of(message))
            self._positions[place] = message.offset() + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self._positions[place] = message.offset()
        elif (error.code() > 0 and place[0]) or error.fatal():
            # A connection that breaks is its own business: it makes another one. So is its group, which does nothing,
            # and may have no rights.
            self._error = error_of(error)


def _record_of(message: Any) -> Record:
    """Kafka counts milliseconds."""
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1] * 1000,
        message.key() or b"",
        message.value() or b"",
        tuple(message.headers() or ()),
    )
