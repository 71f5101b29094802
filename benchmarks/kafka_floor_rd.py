"""The floor of benchmarks/kafka_floor.py with librdkafka in place of aiokafka: threads that wait for it, and a loop
that they wake. Nothing of Parlance is in it but the settings of the clients.
"""

import asyncio
import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from benchmarks.kafka_floor import COMMIT_S, WITH_ROW, Rows
from parlance.events import TopicInfo
from parlance.kafka_address import Address
from parlance.kafka_rd import LOOK_S, settings
from parlance.v1.session_pb2 import SessionEvent

RD_HOPS = tuple(TopicInfo(f"floorrd{n}.v1", 4) for n in range(3))


class RdFloor:
    """`async with`. `once` is one walk of three hops; many may go at once, each with a key of its own."""

    def __init__(self, address: Address, folder: Path) -> None:
        self._address, self._folder = address, folder
        self._began: dict[str, tuple[float, asyncio.Future[float]]] = {}
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> "RdFloor":
        self._rows = Rows(self._folder / "floor-rd.db")
        told = settings(self._address)
        self._producer = Producer(told | {"enable.idempotence": True, "acks": "all", "linger.ms": 0})
        ready = [threading.Event() for _ in RD_HOPS]
        self._threads = [threading.Thread(target=self._acks)]
        for n, event in enumerate(ready):
            group = {"group.id": f"floor-rd-{n}", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
            self._threads.append(threading.Thread(target=self._read, args=(Consumer(told | group), n, event)))
        for thread in self._threads:
            thread.start()
        for event in ready:
            await asyncio.to_thread(event.wait)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._rows.stop()

    async def once(self, session: str) -> float:
        """Milliseconds from the first record sent to the last one parsed."""
        done: asyncio.Future[float] = self._loop.create_future()
        self._began[session] = time.perf_counter(), done
        event = SessionEvent()
        event.header.session_id = session
        event.header.event_id = "0" * 26
        event.accepted.text = "x" * 200
        self._send(0, event)
        return await done

    def _hop(self, n: int, event: SessionEvent) -> None:
        if n != WITH_ROW:
            return self._send(n, event)
        self._rows.put(event.SerializeToString()).add_done_callback(lambda _: self._send(n, event))

    def _send(self, n: int, event: SessionEvent) -> None:
        key = event.header.session_id.encode()
        headers = [("began_us", b"1" * 16)]
        self._producer.produce(
            RD_HOPS[n].name, event.SerializeToString(), key, hash(key) % 4, on_delivery=_noted, headers=headers
        )

    def _acks(self) -> None:
        while not self._over.is_set():
            self._producer.poll(LOOK_S)

    def _read(self, consumer: Any, n: int, ready: threading.Event) -> None:
        consumer.subscribe([RD_HOPS[n].name], on_assign=lambda *_: ready.set())
        committed = time.monotonic()
        while not self._over.is_set():
            first = consumer.poll(LOOK_S)
            if first is not None:
                found = [first, *consumer.consume(511, 0)]
                self._loop.call_soon_threadsafe(self._came, n, [m.value() for m in found if m.error() is None])
            if time.monotonic() - committed > COMMIT_S:
                committed = time.monotonic()
                with contextlib.suppress(KafkaException):  # nothing to commit
                    consumer.commit(asynchronous=True)
        consumer.close()

    def _came(self, n: int, values: list[bytes]) -> None:
        for value in values:
            event = SessionEvent.FromString(value)
            if n + 1 < len(RD_HOPS):
                self._hop(n + 1, event)
            else:
                began, done = self._began.pop(event.header.session_id)
                done.set_result((time.perf_counter() - began) * 1000)


def _noted(error: Any, _message: Any) -> None:
    assert error is None, error
