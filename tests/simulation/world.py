"""The world of a simulation: time, chance, the log, the rows, the offsets, and who lives."""

import asyncio
import contextvars
import gc
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from parlance import clock, ids
from parlance.bus import Out, Record
from parlance.events import EVENT_CLASSES, TopicInfo, dead_topic, topic_of
from parlance.privacy import Keys, Sealing
from tests.simulation.loop import Life, VirtualLoop, current_life

if TYPE_CHECKING:
    from tests.simulation.bus import SimSubscription

T = TypeVar("T")
EPOCH_US = 1_800_000_000_000_000
STAGES = ("intent", "dialogue")
_OUTSIDE = contextvars.Context()


class MemoryKeys(Keys):
    """The key file without a file."""

    def _alone(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _read(self) -> None:
        if not self._data:
            self._data = {"master": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "users": {}}

    def _write(self) -> None:
        pass


@dataclass(frozen=True)
class Faults:
    """How often and how badly. Probabilities are per step of a process's writer, deliveries and calls."""

    duplicate: float = 0.03
    kill: float = 0.004
    freeze: float = 0.003
    # Of a piece of a model's answer: that the answer breaks off instead.
    break_off: float = 0.02
    # The longest ordinary delay of a delivery, seconds, drawn anew for each topic.
    delay_s: float = 0.06
    # Whether a process's writer keeps call order (the rule acks_before_close).
    fifo: bool = True
    # Whether commits carry their ownership (the rule fenced_offsets).
    fenced: bool = True


@dataclass
class Written:
    """A record and who asked for it, when."""

    record: Record
    life: Life | None
    asked_at: float


@dataclass
class World:
    seed: int
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.loop = VirtualLoop(self)
        self.sealing = Sealing(MemoryKeys(None))  # type: ignore[arg-type]
        self.log: dict[tuple[str, int], list[Written]] = {}
        self.rows: dict[tuple[str, str], tuple[int, int | None, bytes | None]] = {}
        self.committed: dict[tuple[str, str, int], int] = {}
        self.ownerships: dict[tuple[str, str, int], int] = defaultdict(int)
        self.members: dict[str, SimSubscription] = {}
        self.subscriptions: list[SimSubscription] = []
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.faulty = True
        self.closed = False
        self.lives: list[Life] = []
        # What may strike a process between two of its steps; set by the scenario.
        self.strike: Callable[[Life], None] | None = None
        # When dialogue, in which process, was handed which record of session.v1.
        self.handed: list[tuple[float, Life, Record]] = []
        # Directed scenarios set exact lengths, seconds: between the model's clauses, of the sound of one, of the delay
        # of a process's writer, of the delay of what is delivered to (process, topic).
        self.chunk_s = self.sound_s = 0.0
        self.writer_delays: dict[str, float] = {}
        self.delivery_delays: dict[tuple[str, str], float] = {}
        self._delays: dict[object, float] = {}
        for info in (*map(topic_of, EVENT_CLASSES), *map(dead_topic, STAGES)):
            self.declare(info)

    def declare(self, info: TopicInfo) -> None:
        for partition in range(info.partitions):
            self.log.setdefault((info.name, partition), [])

    # chance

    def delay(self, longest: float, shortest: float = 0.0002) -> float:
        """Mostly short, rarely long."""
        return shortest + longest * self.chance.random() ** 4

    def happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def delivery_delay(self, life: Life, group: str | None, topic: str) -> float:
        """Each (reader, topic) has its own pace, so that there is no order across topics."""
        if exact := self.delivery_delays.get((life.name, topic)):
            return exact
        key = (life.name, group, topic)
        pace = self._delays.get(key)
        if pace is None:
            pace = self._delays[key] = self.chance.choice((0.0005, 0.005, self.faults.delay_s))
        longest = 0.5 if self.faulty and self.happens(0.02) else pace
        return self.delay(longest)

    def writer_delay(self, life: Life) -> float:
        return self.writer_delays.get(life.name) or self.delay(0.02)

    # the log

    def append(self, out: Out, life: Life | None, asked_at: float) -> Record:
        log = self.log[out.topic, out.partition]
        record = Record(out.topic, out.partition, len(log), clock.now_us(), out.key, out.value, out.headers)
        log.append(Written(record, life, asked_at))
        for subscription in self.subscriptions:
            subscription.notify(out.topic, out.partition)
        if self.faulty and self.happens(self.faults.duplicate):
            self.later(self.delay(1.0), self._again, out, life, asked_at)
        return record

    def _again(self, out: Out, life: Life | None, asked_at: float) -> None:
        faulty, self.faulty = self.faulty, False
        self.append(out, life, asked_at)
        self.faulty = faulty

    def delivered(self, group: str | None, life: Life, records: list[Record]) -> None:
        if group == "dialogue" and records[0].topic == "session.v1":
            self.handed.extend((self.loop.time(), life, record) for record in records)

    # processes

    def begin(self, name: str, main: Callable[[Life], Coroutine[Any, Any, None]]) -> Life:
        life = Life(name, sum(x.name == name for x in self.lives))
        self.lives.append(life)
        self.loop.create_task(main(life), context=life.context)
        return life

    def kill(self, life: Life) -> None:
        """kill -9: none of its code runs any more."""
        life.alive = False
        mourners, life.mourners = life.mourners, {}
        for mourn in mourners.values():
            mourn()

    def later(self, seconds: float, call: Callable[..., object], *args: Any) -> None:
        """Calls it in the world, which no fault of a process holds up."""
        self.loop.call_later(seconds, call, *args, context=_OUTSIDE)

    def step(self) -> None:
        """A process does something: the moment for a fault to strike it."""
        life = current_life()
        if self.faulty and life is not None and self.strike is not None:
            self.strike(life)

    def now_us(self) -> int:
        return EPOCH_US + round(self.loop.now * 1e6)

    # around a run

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs `main` to its end with this world's clock and ids."""
        clock.use(self.now_us)
        ids.use(lambda: ids.derived(self.seed, self.chance.getrandbits(64)))
        # The collector runs after so and so many allocations of the whole process: that would be no seed's chance.
        gc.disable()
        try:
            return self.loop.run_until_complete(main)
        finally:
            self._clear_up()
            gc.enable()
            clock.use(None)
            ids.use(None)

    def _clear_up(self) -> None:
        """Ends every task, so that nothing is left to the garbage collector's order."""
        self.closed, self.faulty = True, False
        for _ in range(50):
            tasks = [t for life in self.lives for t in life.tasks if not t.done()]
            if not tasks:
                break
            for life in self.lives:
                life.alive = True
                self.loop.thaw(life)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(_turns(3))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        self.db.close()


def world_now() -> World:
    """The world whose loop runs."""
    world: World = asyncio.get_running_loop().world  # type: ignore[attr-defined]
    return world


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
