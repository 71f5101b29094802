"""A service's record of its answers: asked again under one call id, it joins the running answer or gives the recorded
one, with how it ended. An incomplete answer never reads as whole.

A running answer lives in memory, in a task of its own: closing a reader is only a lost connection. It stops when it is
cancelled, when its deadline passes, or when nobody has read it for `orphan_s`. At its end it is published as a fact.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Self

from google.protobuf.message import Message

from parlance import clock
from parlance.answer import Answer, Kept
from parlance.errors import DeadlineExceeded, Internal, ParlanceError, Unavailable, as_error, from_proto
from parlance.events import to_bytes
from parlance.log import logger
from parlance.rpc import Call
from parlance.shelf import Shelf
from parlance.v1.turn_pb2 import (
    END_CANCELLED,
    END_COMPLETE,
    END_FAILED,
    AnswerRecorded,
    End,
    Error,
    Header,
)

Begin = Callable[[], AsyncGenerator[Any, None]]
# Where it returns something to wait for, an answer has ended only once its fact is durable.
Publish = Callable[[Header, AnswerRecorded], "asyncio.Future[Any] | None"]
_KEPT_S = 5.0
_UNDATED_S = 60.0


class Answers:
    """`async with Answers(publish) as answers`; it owns the tasks of the running answers."""

    def __init__(self, publish: Publish, orphan_s: float = 5.0) -> None:
        self._publish, self._orphan_s = publish, orphan_s
        self._known: dict[str, Answer | Kept] = {}
        self._shelf = Shelf()
        # Until which second (loop's time) those that have ended are kept; one timer for all of them.
        self._leaving: dict[int, list[str]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._group = asyncio.TaskGroup()
        self._closing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        """What still runs stops, without a record: whoever handles its event again begins it anew."""
        self._closing = True
        if self._sweep is not None:
            self._sweep.cancel()
        for answer in list(self._known.values()):
            if isinstance(answer, Answer):
                answer.stop()
        await self._group.__aexit__(None, None, None)

    def recover(self, header: Header, fact: AnswerRecorded, response: type[Message]) -> None:
        """An answer from the log, of messages of class `response`."""
        if (call_id := fact.call_id) not in self._known:
            self._known[call_id] = Kept(*self._shelf.put(to_bytes(fact)), response)
            self._evict_later(header, call_id)

    async def give(self, call: Call, method: str, request: Message, begin: Begin) -> AsyncGenerator[Any, None]:
        """The answer to this call, from its first chunk.

        Raises Unavailable where it was cancelled or lost, DeadlineExceeded where it would begin too late, Internal
        where the call id was used for another request, and whatever the answer itself ended with."""
        digest = hashlib.sha256(to_bytes(request)).digest()
        answer = self._find(call.id) or self._begin(call, method, digest, begin)
        if answer.fact.request_digest != digest:
            raise Internal("this call id was used for another request")
        loop = asyncio.get_running_loop()
        answer.readers += 1
        self._drop_timer(answer)
        try:
            chunks, i = answer.chunks, 0
            while True:
                while i < len(chunks):
                    i += 1
                    yield chunks[i - 1]
                if answer.ended:
                    break
                waiter = loop.create_future()
                answer.waiters.append(waiter)
                await waiter
        finally:
            answer.readers -= 1
            if not answer.readers and not answer.ended:
                answer.timer = loop.call_later(self._orphan_s, answer.stop)
        await answer.on_record()
        if (failure := _failure(answer.fact)) is not None:
            raise failure

    async def cancel(self, call_id: str) -> bool:
        """Stops an answer. True: what there is of it is on record."""
        answer = self._find(call_id)
        if answer is None:
            return False
        if answer.task is not None and not answer.ended:
            answer.stop()
            await asyncio.wait([answer.task])
        await answer.on_record()
        return answer.ended

    def _find(self, call_id: str) -> Answer | None:
        found = self._known.get(call_id)
        return found.answer() if isinstance(found, Kept) else found

    def _begin(self, call: Call, method: str, digest: bytes, begin: Begin) -> Answer:
        if call.begun:
            raise Unavailable("the answer that was being spoken is lost")
        if call.remaining() <= 0:
            raise DeadlineExceeded("nothing begins after the turn's deadline")
        fact = AnswerRecorded(call_id=call.id, method=method, request_digest=digest, began_at_us=clock.now_us())
        answer = self._known[call.id] = Answer(call.header, fact, began=asyncio.get_running_loop().time())
        answer.task = self._group.create_task(self._run(answer, begin, _deadline(call)))
        answer.task.add_done_callback(lambda task: self._never_ran(answer))
        return answer

    def _never_ran(self, answer: Answer) -> None:
        """A task that is cancelled before its first step runs no line of `_run`."""
        if not answer.ended:
            self._end(answer, END_CANCELLED, None)

    async def _run(self, answer: Answer, begin: Begin, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        late = loop.call_at(deadline, answer.stop, True) if deadline < math.inf else None
        end, error = END_COMPLETE, None
        try:
            async with aclosing(begin()) as chunks:
                async for chunk in chunks:
                    answer.add(chunk, loop.time())
        except asyncio.CancelledError:
            end = END_CANCELLED
            if answer.late:
                end, error = END_FAILED, DeadlineExceeded("the answer took longer than the turn may").to_proto()
        except Exception as exc:
            end, error = END_FAILED, as_error(exc).to_proto()
        finally:
            if late is not None:
                late.cancel()
            self._end(answer, end, error)

    def _end(self, answer: Answer, end: End.ValueType, error: Error | None) -> None:
        self._drop_timer(answer)
        call_id = answer.fact.call_id
        if self._closing and end == END_CANCELLED:
            self._known.pop(call_id, None)
            answer.fact.end = end
        else:
            answer.fact.end = end
            if error is not None:
                answer.fact.error.CopyFrom(error)
            answer.fact.chunks.extend(map(to_bytes, answer.chunks))
            answer.fact.chunk_offsets_us.extend(answer.offsets_us)
            self._record(answer)
            self._known.pop(call_id, None)  # and with it its own copy of the name
            self._known[call_id] = Kept.of(answer, self._shelf)
            self._evict_later(answer.header, call_id)
        answer.wake()

    def _record(self, answer: Answer) -> None:
        """One answer that cannot be sealed (a user who was forgotten meanwhile) must not end all the others."""
        try:
            answer.published = self._publish(answer.header, answer.fact)
        except Exception as exc:
            logger.error("an answer of %s is not on record: %s", answer.fact.method, type(exc).__name__)

    def _evict_later(self, header: Header, call_id: str) -> None:
        left = (header.deadline_us - clock.now_us()) / 1e6 if header.deadline_us else _UNDATED_S
        until = math.ceil(asyncio.get_running_loop().time() + max(0.0, left) + _KEPT_S)
        first = min(self._leaving, default=math.inf)
        self._leaving.setdefault(until, []).append(call_id)
        if until < first:
            self._evict()

    def _evict(self) -> None:
        """Lets go of those whose time is over, and comes back for the next ones."""
        loop = asyncio.get_running_loop()
        for until in sorted(second for second in self._leaving if second <= loop.time()):
            for call_id in self._leaving.pop(until):
                if isinstance(gone := self._known.pop(call_id, None), Kept):
                    self._shelf.take_away(gone.segment)
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = loop.call_at(min(self._leaving), self._evict) if self._leaving else None

    @staticmethod
    def _drop_timer(answer: Answer) -> None:
        if answer.timer is not None and not answer.ended:
            answer.timer.cancel()
            answer.timer = None


def _deadline(call: Call) -> float:
    """In the loop's time: the call's, or its header's where the call names none."""
    if call.deadline < math.inf or not call.header.deadline_us:
        return call.deadline
    return asyncio.get_running_loop().time() + (call.header.deadline_us - clock.now_us()) / 1e6


def _failure(fact: AnswerRecorded) -> ParlanceError | None:
    if fact.end == END_FAILED:
        return from_proto(fact.error)
    return Unavailable("the answer was cancelled before its end") if fact.end == END_CANCELLED else None
