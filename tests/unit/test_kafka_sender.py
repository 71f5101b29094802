"""How appends reach Kafka's client: at once where they can, in line where they cannot, in order in both."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiokafka")

from parlance.bus import Out, Record
from parlance.kafka_address import parse
from parlance.kafka_sender import Sender

TOPIC = "t.v1"


class Client:
    """Takes records while `room` is set, and acknowledges each in the loop's next turn."""

    def __init__(self) -> None:
        self.client = SimpleNamespace(_sync_task=None)
        self.taken: list[bytes] = []
        self.room = asyncio.Event()
        self.room.set()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, topic: str, value: bytes, key: bytes, partition: int, *, headers: object) -> Any:
        while not self.room.is_set():
            await self.room.wait()
        self.taken.append(value)
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[Any] = loop.create_future()
        loop.call_soon(sent.set_result, SimpleNamespace(offset=len(self.taken) - 1, timestamp=1))
        return sent


async def _allowed(_topic: str) -> None: ...


async def _with(check: Callable[[Sender, Client], Any], known: tuple[str, ...] = (TOPIC,)) -> None:
    client = Client()
    sender = Sender(parse("kafka://127.0.0.1:1"), _allowed, known)
    sender.producer = lambda _: client
    await sender.start()
    running = asyncio.create_task(sender.run())
    async with asyncio.timeout(5):
        await check(sender, client)
    running.cancel()
    await asyncio.wait([running])
    await sender.stop()


def _put(sender: Sender, *numbers: int) -> list["asyncio.Future[Record]"]:
    futures: list[asyncio.Future[Record]] = []
    for n in numbers:
        futures.append(asyncio.get_running_loop().create_future())
        sender.put(Out(TOPIC, 0, b"", b"%d" % n), futures[-1])
    return futures


async def test_an_append_is_with_the_client_before_the_call_returns() -> None:
    async def check(sender: Sender, client: Client) -> None:
        futures = _put(sender, 0, 1)
        assert client.taken == [b"0", b"1"] and sender.waiting == 2
        await sender.flush()
        assert [f.result().offset for f in futures] == [0, 1] and sender.waiting == 0

    await _with(check)


async def test_where_the_client_has_no_room_it_waits_in_line_and_keeps_the_order() -> None:
    async def check(sender: Sender, client: Client) -> None:
        client.room.clear()
        futures = _put(sender, 0, 1)
        await asyncio.sleep(0)  # the sender has the first in hand, and the client does not take it
        await asyncio.sleep(0)
        client.room.set()
        futures += _put(sender, 2)
        assert client.taken == []
        await sender.flush()
        assert client.taken == [b"0", b"1", b"2"] and [f.result().offset for f in futures] == [0, 1, 2]

    await _with(check)


async def test_nothing_overtakes_a_gate() -> None:
    async def check(sender: Sender, client: Client) -> None:
        seen: list[int] = []

        async def work() -> None:
            await asyncio.sleep(0)
            seen.append(len(client.taken))

        _put(sender, 0)
        sender.gate(work)
        for n in range(1, 6):
            _put(sender, n)
            await asyncio.sleep(0)
        await sender.flush()
        assert seen == [1] and client.taken == [b"%d" % n for n in range(6)]

    await _with(check)


async def test_a_topic_that_is_not_known_yet_is_asked_for_first() -> None:
    async def check(sender: Sender, client: Client) -> None:
        _put(sender, 0)
        assert client.taken == []
        await sender.flush()
        assert client.taken == [b"0"]

    await _with(check, known=())
