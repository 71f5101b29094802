"""Sends with librdkafka, in place of aiokafka's producer: the same methods, as far as `kafka_sender` uses them.

It keeps five requests on their way where aiokafka has one, in C and in threads of its own. Source: librdkafka's
CONFIGURATION.md and INTRODUCTION.md (idempotent producer).
"""

import asyncio
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaTimeoutError, for_code
from aiokafka.protocol.transaction import InitProducerIdRequest
from confluent_kafka import KafkaException, Producer

from parlance.kafka_address import HELD_BYTES, HELD_EVENTS, LEAVE_S, Address
from parlance.kafka_client import metadata_client
from parlance.kafka_rd import LOOK_S, REQUEST_BYTES, error_of, settings, tell


@dataclass(frozen=True, slots=True)
class Sent:
    """Where it stands. `timestamp`: milliseconds."""

    offset: int
    timestamp: int


class RdProducer:
    """Idempotent, acknowledged by all replicas in sync; a record is kept until the broker takes it."""

    def __init__(self, address: Address) -> None:
        # For what the broker knows of topics, and whether it answers at all.
        self.client: AIOKafkaClient = metadata_client(address)
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._over = threading.Event()
        self._ended, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._open = 0
        self._thread = threading.Thread(target=self._serve, name="kafka-acks", daemon=True)
        self._settled: list[tuple[asyncio.Future[Sent], Any, Any]] = []
        self._producer: Any = None

    async def start(self) -> None:
        await self.client.bootstrap()
        await self._check_rights()
        self._producer = Producer(
            settings(self._address)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "message.timeout.ms": 0,
                "message.max.bytes": REQUEST_BYTES,
                # More than the sender ever lets wait.
                "queue.buffering.max.messages": 2 * HELD_EVENTS,
                "queue.buffering.max.kbytes": 2 * HELD_BYTES // 1024,
                "retry.backoff.ms": 100,
            }
        )
        self._thread.start()

    async def _check_rights(self) -> None:
        """librdkafka would say only with the first record that it may not send any. What else hinders a broker now, it
        waits for."""
        asked = await self.client.send(self.client.get_random_node(), InitProducerIdRequest(None, -1))
        if for_code(asked.error_code) is ClusterAuthorizationFailedError:
            raise ClusterAuthorizationFailedError

    async def send(
        self, topic: str, value: bytes, key: bytes, partition: int, headers: list[tuple[str, bytes]]
    ) -> "asyncio.Future[Sent]":
        """Hands it over at once. Raises KafkaError where it is not taken."""
        sent: asyncio.Future[Sent] = self._loop.create_future()
        try:
            self._producer.produce(
                topic, value, key, partition, on_delivery=partial(self._delivered, sent), headers=headers
            )
        except BufferError as exc:
            raise KafkaTimeoutError from exc
        except KafkaException as exc:
            raise error_of(exc.args[0]) from exc
        self._open += 1
        self._idle.clear()
        return sent

    async def stop(self) -> None:
        """Waits for what is on its way."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._idle.wait()
        finally:
            await self._end()

    async def abandon(self) -> None:
        """Ends it without its records."""
        if self._producer is not None:
            self._producer.purge()
        await self._end()

    async def _end(self) -> None:
        self._over.set()
        if self._producer is not None:
            await self._ended.wait()
        await self.client.close()

    def _serve(self) -> None:
        """The thread: calls back what was acknowledged."""
        producer = self._producer
        while not self._over.is_set():
            producer.poll(LOOK_S)
            if self._settled:
                settled, self._settled = self._settled, []
                tell(self._loop, self._tell, settled)
        self._producer = None
        del producer  # it ends here, where nobody waits for it
        tell(self._loop, self._ended.set)

    def _delivered(self, sent: "asyncio.Future[Sent]", error: Any, message: Any) -> None:
        self._settled.append((sent, error, message))

    def _tell(self, settled: list[tuple["asyncio.Future[Sent]", Any, Any]]) -> None:
        self._open -= len(settled)
        if not self._open:
            self._idle.set()
        for sent, error, message in settled:
            if sent.done():
                continue
            if error is None:
                sent.set_result(Sent(message.offset(), message.timestamp()[1]))
            else:
                sent.set_exception(error_of(error))
                sent.exception()  # nobody may look at it any more
