"""One answer of `parlance.answers`: running, with whoever reads it, or ended and kept."""

import asyncio
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf.message import Message

from parlance.events import to_bytes
from parlance.shelf import Segment, Shelf
from parlance.v1.turn_pb2 import END_UNSPECIFIED, AnswerRecorded, Header


@dataclass(slots=True)
class Answer:
    """Running, or being read. The fact gets the chunks at its end: nobody reads it before."""

    header: Header
    fact: AnswerRecorded
    chunks: list[Any] = field(default_factory=list)
    # When each came, microseconds after the answer began.
    offsets_us: list[int] = field(default_factory=list)
    readers: int = 0
    waiters: list["asyncio.Future[None]"] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None
    timer: asyncio.TimerHandle | None = None
    began: float = 0.0
    stopped: bool = False
    late: bool = False
    published: "asyncio.Future[Any] | None" = None

    async def on_record(self) -> None:
        """Returns when the fact is durable, where the log says so."""
        if self.published is not None:
            await asyncio.shield(self.published)

    @property
    def ended(self) -> bool:
        return self.fact.end != END_UNSPECIFIED

    def stop(self, late: bool = False) -> None:
        """Cancels once: a second cancel would cut the closing of the vendor's stream short."""
        if self.task is not None and not self.stopped:
            self.stopped, self.late = True, late
            self.task.cancel()

    def wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()

    def add(self, chunk: Any, now: float) -> None:
        self.chunks.append(chunk)
        self.offsets_us.append(int((now - self.began) * 1e6))
        response: Any = type(chunk)
        if _tells_who(response) and not self.fact.provider and chunk.HasField("began"):
            self.fact.provider, self.fact.route_version = chunk.began.provider, chunk.began.route_version
        self.wake()


@cache
def _tells_who(response: type[Message]) -> bool:
    return "began" in response.DESCRIPTOR.fields_by_name


@dataclass(slots=True)
class Kept:
    """One that has ended, for whoever asks for it again: where the bytes of its fact lie, the n-th piece of a segment
    of the shelf. `response`: the class of its chunks; None where it has none. `published`: as of the answer."""

    segment: Segment
    n: int
    response: type[Message] | None
    published: "asyncio.Future[Any] | None" = None

    @classmethod
    def of(cls, answer: Answer, shelf: Shelf) -> "Kept":
        response = type(answer.chunks[0]) if answer.chunks else None
        kept = cls(*shelf.put(to_bytes(answer.fact)), response, answer.published)
        if kept.published is not None:
            kept.published.add_done_callback(kept._durable)
        return kept

    def answer(self) -> Answer:
        fact = AnswerRecorded.FromString(self.segment.read(self.n))
        chunks = [self.response.FromString(chunk) for chunk in fact.chunks] if self.response is not None else []
        return Answer(Header(), fact, chunks, published=self.published)

    def _durable(self, published: "asyncio.Future[Any]") -> None:
        """Its record is not kept; that it could not be written is."""
        if not published.cancelled() and published.exception() is None:
            self.published = None
