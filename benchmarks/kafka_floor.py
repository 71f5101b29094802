"""What no turn over Kafka can do without: three hops with the same client, the same broker and commits as durable.

A hop is a record sent, taken by a consumer of its own with commits by hand, and parsed with the same protobuf class;
its handler is empty. The last one waits for a row beforehand, written to SQLite in a thread of its own (WAL), as
dialogue's first clause does. Nothing of Parlance is in it but the settings of the clients.
"""

import asyncio
import contextlib
import queue
import threading
import time
from pathlib import Path
from typing import Any

import apsw

from parlance.events import TopicInfo
from parlance.kafka_address import Address
from parlance.kafka_client import consumer, producer
from parlance.v1.session_pb2 import SessionEvent

HOPS = tuple(TopicInfo(f"floor{n}.v1", 4) for n in range(3))
SHARED_HOPS = tuple(TopicInfo(f"shared{n}.v1", 4) for n in range(3))
COMMIT_S = 0.05
# Of a turn's three hops up to its first clause one comes with a row: dialogue's.
WITH_ROW = 2


class Rows:
    """One writer thread; what is handed over meanwhile is one transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, value: bytes) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put((value, done))
        return done

    def stop(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        db = apsw.Connection(str(self._path))
        for text in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "CREATE TABLE log(value BLOB) STRICT"):
            db.execute(text).fetchall()
        while True:
            jobs = [self._jobs.get()]
            while not self._jobs.empty():
                jobs.append(self._jobs.get())
            given = [job for job in jobs if job is not None]
            db.execute("BEGIN IMMEDIATE")
            for value, _ in given:
                db.execute("INSERT INTO log VALUES(?)", (value,))
            db.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._told, [done for _, done in given])
            if len(given) < len(jobs):
                db.close()
                return

    def _told(self, done: "list[asyncio.Future[None]]") -> None:
        for future in done:
            future.set_result(None)


class Floor:
    """`async with`. `once` is one walk of three hops; many may go at once, each with a key of its own. `shared`: who
    takes the second hop reads the first one's topic too, as dialogue reads session.v1."""

    def __init__(self, address: Address, folder: Path, shared: bool = False) -> None:
        self._address, self._folder, self._shared = address, folder, shared
        self._hops = SHARED_HOPS if shared else HOPS
        self._began: dict[str, tuple[float, asyncio.Future[float]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._clients: list[Any] = []
        self._sent: set[Any] = set()

    async def __aenter__(self) -> "Floor":
        self._rows = Rows(self._folder / f"{self._hops[0].name}.db")
        self._producer = producer(self._address)
        await self._producer.start()
        for n, info in enumerate(self._hops):
            client = consumer(self._address, f"{info.name}-reader")
            client.subscribe([info.name, self._hops[0].name] if n == 1 and self._shared else [info.name])
            await client.start()
            self._clients.append(client)
            self._tasks.append(asyncio.create_task(self._read(client, n)))
            self._tasks.append(asyncio.create_task(_commits(client)))
        for client in self._clients:
            while not client.assignment():
                await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for client in self._clients:
            await client.stop()
        await self._producer.stop()
        self._rows.stop()

    async def once(self, session: str) -> float:
        """Milliseconds from the first record sent to the last one parsed."""
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._began[session] = time.perf_counter(), done
        event = SessionEvent()
        event.header.session_id = session
        event.header.event_id = "0" * 26
        event.accepted.text = "x" * 200
        await self._hop(0, event)
        return await done

    async def _hop(self, n: int, event: SessionEvent) -> None:
        value = event.SerializeToString()
        if n == WITH_ROW:
            await self._rows.put(value)
        key = event.header.session_id.encode()
        sent = await self._producer.send(
            self._hops[n].name, value, key, hash(key) % 4, headers=[("began_us", b"1" * 16)]
        )
        self._sent.add(sent)
        sent.add_done_callback(self._sent.discard)

    async def _read(self, client: Any, n: int) -> None:
        while True:
            for records in (await client.getmany(timeout_ms=1000, max_records=512)).values():
                for record in records:
                    event = SessionEvent.FromString(record.value)
                    if record.topic != self._hops[n].name:
                        continue
                    if n + 1 < len(self._hops):
                        await self._hop(n + 1, event)
                    else:
                        began, done = self._began.pop(event.header.session_id)
                        done.set_result((time.perf_counter() - began) * 1000)


async def _commits(client: Any) -> None:
    while True:
        await asyncio.sleep(COMMIT_S)
        with contextlib.suppress(Exception):
            await client.commit()
