"""A stage on a bus in memory and in virtual time, whose work notes what it does."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from parlance.errors import ParlanceError, Unavailable
from parlance.events import wrap
from parlance.outgoing import record_of
from parlance.stage import Stage
from parlance.stage_work import Item, Work
from parlance.store import Conflict
from parlance.v1.dead_pb2 import DeadLetter
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import Header
from tests.simulation.bus import SimBus, Writer
from tests.simulation.loop import Life
from tests.simulation.world import World

TOPIC = "session.v1"


def _cuts(running: Item, new: Item) -> bool:
    """As dialogue's: an interruption cuts its turn, and a newer turn an older one."""
    theirs, mine = running.event.header, new.event.header
    if new.event.WhichOneof("event") == "interrupted":
        return bool(theirs.turn_id == mine.turn_id)
    return running.event.WhichOneof("event") == "accepted" and bool(theirs.turn_id < mine.turn_id)


@dataclass
class Scene:
    """A stage whose work notes what it does; each text says how long its work takes, or how it fails."""

    world: World = field(default_factory=lambda: World(1))
    log: list[str] = field(default_factory=list)
    failures: int = 0
    kinds: frozenset[str] | None = None
    # What the work of turns whose text is "later" must become durable by.
    durable: "asyncio.Future[int] | None" = None
    # How many records had been delivered each time that something was taken over; so many of them fail.
    taken: list[int] = field(default_factory=list)
    taken_fails: int = 0

    def __post_init__(self) -> None:
        self.world.faulty = False
        self.bus = SimBus(Writer(self.world, Life("intent", 0)))
        work = Work(self._process, self._failed, _cuts, taken_over=self._taken_over, kinds=self.kinds, max_in_flight=4)
        self.stage = Stage("intent", self.bus, self.world.sealing, work)

    def play(self, script: Callable[["Scene"], Awaitable[None]]) -> "Scene":
        async def whole() -> None:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(self.stage.run([TOPIC]))
                await script(self)
                running.cancel()

        self.world.run(whole())
        return self

    def publish(self, turn: str, text: str = "", session: str = "s", body: Any = None, event_id: str = "") -> None:
        made = TurnAccepted(text=text) if body is None else body
        header = Header(event_id=event_id or f"{turn}{type(made).__name__}", turn_id=turn, session_id=session)
        header.user_id = "u"
        event = wrap(SessionEvent, header, made)
        self.bus.append([record_of(event, self.world.sealing.seal)])

    def given_anew(self) -> None:
        """The stage's partitions were lost and came back: all of them from the beginning, under a new ownership."""
        subscription: Any = self.stage._subscription
        for place in subscription._next:
            self.world.ownerships["intent", *place] += 1
            subscription._ownership[place] += 1
            subscription._next[place] = 0
            subscription.notify(*place)
        subscription.given()

    async def _process(self, item: Item) -> None:
        turn = item.event.header.turn_id
        if item.event.WhichOneof("event") == "interrupted":
            self.log.append(f"{turn} interrupted")
            return
        text = item.event.accepted.text
        self.log.append(f"{turn} begins")
        async with item.cut.exposed():
            await asyncio.sleep(float(text) if text[:1].isdigit() else 0)
        if text == "fails" and self.failures:
            self.failures -= 1
            raise Unavailable("not now")
        if text == "conflicts" and self.failures:
            self.failures -= 1
            raise Conflict("somebody else")
        if text == "later":
            item.durable = self.durable = asyncio.get_running_loop().create_future()
        self.log.append(f"{turn} ends")

    async def _taken_over(self) -> None:
        subscription: Any = self.stage._subscription
        self.taken.append(sum(subscription._next.values()))
        if len(self.taken) <= self.taken_fails:
            raise Unavailable("no store")

    async def _failed(self, item: Item, error: ParlanceError) -> None:
        self.log.append(f"{item.event.header.turn_id} failed: {error.message}")

    @property
    def letters(self) -> list[DeadLetter]:
        return [DeadLetter.FromString(w.record.value) for w in self.world.log["intent.dead.v1", 0]]

    @property
    def committed(self) -> int:
        return sum(offset for (group, _, _), offset in self.world.committed.items() if group == "intent")
