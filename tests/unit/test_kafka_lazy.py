"""Facts that nobody waits for let others go first, keep their order, and are never dropped."""

import asyncio

import pytest

from parlance.bus import Out
from parlance.errors import Unavailable
from parlance.kafka_lazy import Lazy


def out(topic: str, value: bytes) -> Out:
    return Out(topic, 0, b"key", value)


class Taken:
    """Takes as many as it has room for."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.values: list[bytes] = []

    def put(self, out: Out) -> None:
        if not self.room:
            raise Unavailable("full")
        self.room -= 1
        self.values.append(out.value)


async def test_they_wait_for_milliseconds_and_go_in_order() -> None:
    taken = Taken()
    lazy = Lazy(taken.put)
    lazy.hold([out("a", b"1"), out("b", b"2")])
    lazy.hold([out("a", b"3")])
    assert taken.values == [] and len(lazy) == 3
    async with asyncio.timeout(1):
        while len(taken.values) < 3:
            await asyncio.sleep(0.001)
    assert taken.values == [b"1", b"2", b"3"] and len(lazy) == 0


async def test_what_follows_in_their_topic_does_not_overtake_them() -> None:
    taken = Taken()
    lazy = Lazy(taken.put)
    lazy.hold([out("a", b"1"), out("b", b"2")])
    lazy.before("other")
    assert taken.values == []
    lazy.before("b")
    assert taken.values == [b"1", b"2"]


async def test_without_room_they_are_kept_and_tried_again() -> None:
    taken = Taken(room=1)
    lazy = Lazy(taken.put)
    lazy.hold([out("a", b"1"), out("a", b"2"), out("a", b"3")])
    with pytest.raises(Unavailable):
        lazy.before("a")
    assert taken.values == [b"1"] and len(lazy) == 2 and not lazy.released()
    await asyncio.sleep(0.03)
    assert taken.values == [b"1"]
    taken.room = 5
    async with asyncio.timeout(1):
        while len(lazy):
            await asyncio.sleep(0.001)
    assert taken.values == [b"1", b"2", b"3"]
