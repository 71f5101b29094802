"""One talker of a load run: a conversation of its own with the platform, its turns sent in order and in time."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parlance import ids
from parlance.client import Client
from parlance.errors import Internal, ParlanceError, Unavailable, as_error
from parlance.load_job import Job, Planned, Row
from parlance.v1.gateway_service_pb2 import ConverseRequest, Hello, Interrupt, Played, Text
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import ErrorCode

# Its sentence is no first word.
AT_THE_DOOR = "refused at the door: too much to do"
# A turn ends within 30 s of its text.
_END_S = 35.0
# After the end of a reply its device is told that all was sent.
_SPOKEN_S = 5.0
# A conversation is opened so long before its first turn is due, and not kept open for one that is later than this.
_AHEAD_S = 1.0
_IDLE_S = 30.0
_READY_S = 10.0
_GOODBYE_S = 2.0
# The loop's timers count whole milliseconds: what is left is waited for awake.
_TICK_S = 0.0015


class NoRuns(Internal):
    """The platform does not keep runs apart: whatever is sent to it would be live."""


@dataclass(slots=True)
class _Told:
    """What came of the turn that is open. Times are those of time.monotonic()."""

    turn_id: str = ""
    sent: float | None = None
    accepted: float | None = None
    first: float | None = None
    ended: float | None = None
    outcome: str = ""
    error: str = ""
    # Nothing more of it follows.
    over: bool = False


@dataclass(eq=False)
class Line:
    """One conversation: what was told of the turn that is open now."""

    mute: bool
    now: _Told = field(default_factory=_Told)
    session: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    broken: ParlanceError | None = None
    requests: "asyncio.Queue[ConverseRequest | None]" = field(default_factory=asyncio.Queue)

    async def sent(self, hello: Hello) -> AsyncGenerator[ConverseRequest, None]:
        yield ConverseRequest(hello=hello)
        while (request := await self.requests.get()) is not None:
            if request.HasField("text"):
                self.now.sent = time.monotonic()
            yield request

    async def read(self, responses: AsyncGenerator[Any, None]) -> None:
        try:
            async with aclosing(responses):
                async for response in responses:
                    self._take(response, time.monotonic())
            self.broken = Unavailable("the platform closed the conversation")
        except Exception as exc:
            self.broken = as_error(exc)
        finally:
            self.news.set()

    def _take(self, response: Any, at: float) -> None:
        kind = response.WhichOneof("message")
        if kind == "ready":
            self.session = response.ready.session_id
        elif kind == "problem":
            self._problem(response.problem.error, at)
        elif getattr(response, kind).turn_id == self.now.turn_id:
            self._of_turn(kind, response, at)
        self.news.set()

    def _of_turn(self, kind: str, response: Any, at: float) -> None:
        now = self.now
        if kind == "accepted":
            now.accepted = at
        elif kind == ("clause" if self.mute else "audio"):
            now.first = now.first or (None if now.error == AT_THE_DOOR else at)
        elif kind == "ended":
            now.ended, now.outcome = at, _word(Outcome.Name(response.ended.outcome))
            overloaded = response.ended.reason == Reason.REASON_OVERLOADED
            now.error = AT_THE_DOOR if overloaded else response.ended.error.message
        elif kind == "spoken":
            self.requests.put_nowait(ConverseRequest(played=Played(turn_id=now.turn_id, all=True)))
            now.over = True
        elif kind == "silence":
            now.over = True

    def _problem(self, error: Any, at: float) -> None:
        """What was not accepted has no other end."""
        now = self.now
        now.error = f"{_word(ErrorCode.Name(error.code), 2)}: {error.message}"
        if now.accepted is None:
            now.ended, now.outcome, now.over = at, "error", True

    async def until(self, met: Callable[[], Any], seconds: float) -> bool:
        """Whether it came to be in time and on this conversation."""
        try:
            async with asyncio.timeout(seconds):
                while not met() and self.broken is None:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pass
        return bool(met())


class Talker:
    """`note` gets the row of each turn. `stop`: send no more, wait for the end of what is open."""

    def __init__(
        self, client: Client, job: Job, session: str, note: Callable[[Row], None], stop: asyncio.Event
    ) -> None:
        self._client, self._job, self._session = client, job, session
        self._note, self._stop = note, stop

    async def run(self, start: float) -> None:
        """Sends all turns; `start` is a moment of time.monotonic(). Raises NoRuns before anything is sent."""
        left, free = list(self._job.sessions[self._session]), start
        while left and not self._stop.is_set():
            if left[0].due is not None and not await self._sleep(start + left[0].due - _AHEAD_S):
                return
            async with self._open() as line:
                free = max(free, time.monotonic())
                while left and line.broken is None:
                    due = free if left[0].due is None else start + left[0].due
                    if due - free > _IDLE_S:
                        break
                    if not await self._sleep(due):
                        return
                    turn = left.pop(0)
                    row, free = await self._ask(line, turn, due, max(due, free)), time.monotonic()
                    self._note(_relative(turn.n, row, start))

    async def _sleep(self, until: float) -> bool:
        """False where the run is stopped before."""
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            if left <= _TICK_S:
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(left - _TICK_S):
                    await self._stop.wait()
            except TimeoutError:
                continue
        return not self._stop.is_set()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Line]:
        line = Line(mute=not self._job.sound)
        person = self._job.sessions[self._session][0].person
        hello = Hello(session_id=self._session, run=self._job.run, mute=line.mute, person=person)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(line.read(self._client.converse(line.sent(hello))))
            try:
                await line.until(lambda: line.session, _READY_S)
                if line.session and line.session != ids.derived(self._job.run, self._session):
                    raise NoRuns("the platform that runs here would take these turns for live ones: restart it")
                yield line
                line.requests.put_nowait(None)
                await asyncio.wait([reading], timeout=_GOODBYE_S)
            finally:
                reading.cancel()

    async def _ask(self, line: Line, turn: Planned, due: float, free: float) -> tuple[Any, ...]:
        now = line.now = _Told(ids.derived(self._job.run, line.session, turn.name))
        if line.session and line.broken is None:
            line.requests.put_nowait(ConverseRequest(text=Text(text=turn.text, name=turn.name, as_of_us=turn.as_of_us)))
            await self._to_its_end(line, now, turn)
        if line.broken is None and not line.session:
            line.broken = Unavailable("the platform did not open the conversation in time")
        if not now.outcome:
            now.outcome = "error" if line.broken else "lost"
            now.error = line.broken.message if line.broken else f"no end of it came within {_END_S:g} s"
        return due, free, now.sent, now.accepted, now.first, now.ended, now.outcome, now.error

    async def _to_its_end(self, line: Line, now: _Told, turn: Planned) -> None:
        interrupted = False
        if turn.interrupt_after and not await line.until(lambda: now.outcome, turn.interrupt_after):
            line.requests.put_nowait(ConverseRequest(interrupt=Interrupt()))
            interrupted = True
        await line.until(lambda: now.outcome, _END_S)
        if now.outcome and not interrupted and now.outcome != "cancelled":
            await line.until(lambda: now.over, _SPOKEN_S if line.mute else _END_S)


def _relative(n: int, row: tuple[Any, ...], start: float) -> Row:
    *times, outcome, error = row
    since = (None if t is None else round((t - start) * 1000, 3) for t in times)
    return Row._make((n, *since, outcome, error))


def _word(name: str, skip: int = 1) -> str:
    """OUTCOME_ANSWERED: "answered"."""
    return " ".join(name.split("_")[skip:]).lower()
