"""What became of turns that were put on the bus: read from reply.v1, where their ends stand."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from parlance.bus import Bus, Record, topic_name
from parlance.events import TOPICS, kind, parse
from parlance.v1.reply_pb2 import Outcome, ReplyEvent

_LOOK_S = 0.2
# A turn ends within 30 s of its question.
_END_S = 35.0


@dataclass(slots=True)
class Came:
    """Microseconds since 1970, of the log; 0 where it did not."""

    first_us: int = 0
    ended_us: int = 0
    outcome: str = ""
    error: str = ""


class Outcomes:
    """Of the turns of one run. Personal fields stay sealed."""

    def __init__(self, bus: Bus, run: str) -> None:
        self._bus, self._run = bus, run
        self._next: dict[int, int] = {}
        self.came: dict[str, Came] = {}
        self.ended = 0

    async def start(self) -> None:
        """Before the first is sent."""
        topic = topic_name(ReplyEvent)
        self._next = {n: await self._bus.end(topic, n) for n in range(TOPICS[topic].partitions)}

    async def wait(self, count: int) -> Mapping[str, Came]:
        """Until so many have ended, or none has for as long as a turn may take."""
        loop = asyncio.get_running_loop()
        news_at, before = loop.time(), -1
        while self.ended < count and loop.time() - news_at < _END_S:
            await self.look()
            if self.ended != before:
                news_at, before = loop.time(), self.ended
            if self.ended < count:
                await asyncio.sleep(_LOOK_S)
        return self.came

    async def look(self) -> None:
        topic = topic_name(ReplyEvent)
        for partition in self._next:
            while records := await self._bus.read(topic, partition, self._next[partition]):
                for record in records:
                    self._take(record)
                self._next[partition] = records[-1].offset + 1

    def _take(self, record: Record) -> None:
        try:
            event = parse(record.topic, record.value)
        except DecodeError:
            return
        if event.header.run != self._run:
            return
        came = self.came.setdefault(event.header.turn_id, Came())
        if kind(event) == "clause":
            came.first_us = came.first_us or record.ts_us
        elif kind(event) == "completed" and not came.ended_us:
            came.ended_us, self.ended = record.ts_us, self.ended + 1
            came.outcome = Outcome.Name(event.completed.outcome).removeprefix("OUTCOME_").lower()
            came.error = event.completed.error.message
