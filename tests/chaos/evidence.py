"""What a run left behind: the log, read from its beginning, and the rows, opened and sorted by turn."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from parlance.bus import Record
from parlance.bus_kafka import KafkaBus
from parlance.errors import Unavailable
from parlance.events import STAGES, TOPICS, dead_topic, declared, kind, parse
from parlance.privacy import Keys, Sealing
from parlance.v1.dead_pb2 import DeadLetter
from parlance.v1.reply_pb2 import Settlement
from parlance.v1.state_pb2 import SessionRow
from tests.simulation.evidence import Fact, TurnFacts

T = TypeVar("T")

_PATIENCE = 60
_OPENS = ("accepted", "final", "recognized", "fired")


@dataclass(frozen=True)
class Call:
    """A call's row in actions."""

    call_id: str
    action: str
    settlement: Settlement.ValueType


@dataclass
class Evidence:
    """`unreadable`: records that hold no event, by place. `letters`: the dead letters, by "stage/offset". `items`: how
    often each list item and note exists. `timers`: the ids of those that have not gone off. `open_turns`: what
    dialogue's rows still have open."""

    turns: dict[str, TurnFacts] = field(default_factory=dict)
    unreadable: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    items: Counter[str] = field(default_factory=Counter)
    timers: Counter[str] = field(default_factory=Counter)
    open_turns: list[str] = field(default_factory=list)

    def add(self, topic: str, event: Any, ts_us: int = 0) -> None:
        turn_id = event.header.turn_id
        facts = self.turns.setdefault(turn_id, TurnFacts(turn_id)).facts
        facts.append(Fact(topic, event, None, 0.0, ts_us))

    def opened(self) -> dict[str, TurnFacts]:
        """Turns that began: accepted, heard, understood or set off by a timer."""
        return {i: t for i, t in self.turns.items() if i and any(t.of(name) for name in _OPENS)}

    def unended(self) -> list[str]:
        return [turn_id for turn_id, turn in self.opened().items() if not turn.of("completed")]


class Reader:
    """Reads the log from its beginning, then only what is new. `database`: of PostgreSQL; "": SQLite in the home."""

    def __init__(self, url: str, home: Path, database: str = "") -> None:
        self._bus, self._home, self._database = KafkaBus(url), home, database
        self._made, self._sealing = Evidence(), Sealing(Keys(home / "keys.json"))
        topics = [info for name, info in TOPICS.items() if name != "control.v1"]
        topics += [dead_topic(stage) for stage in STAGES]
        self._next = {(info.name, n): 0 for info in topics for n in range(info.partitions)}

    async def __aenter__(self) -> "Reader":
        self._bus.declare(declared())
        await _patiently(self._bus.start)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._bus.stop()

    async def look(self) -> Evidence:
        """All that there is by now; the same object again and again."""
        for (topic, partition), at in self._next.items():
            while records := await _patiently(lambda t=topic, p=partition, n=at: self._bus.read(t, p, n)):  # type: ignore[misc]
                for record in records:
                    _take(self._made, self._sealing, record)
                self._next[topic, partition] = at = records[-1].offset + 1
        _read_rows(self._made, self._home, self._database)
        return self._made


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """A broker that has just come back, on few cores, may not answer at once."""
    for _ in range(_PATIENCE):
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(1.0)
    return await work()


def _take(made: Evidence, sealing: Sealing, record: Record) -> None:
    if record.topic.endswith(".dead.v1"):
        letter = DeadLetter.FromString(record.value)
        made.letters[f"{letter.stage}/{record.offset}"] = letter
        return
    try:
        event = parse(record.topic, record.value)
        if not kind(event):
            raise DecodeError("no event in it")
        sealing.open(event)
    except Exception:  # what cannot be parsed or opened: the judge looks for its dead letters
        made.unreadable[record.topic, record.partition, record.offset] = record.value
        return
    made.add(record.topic, event, record.ts_us)


def _read_rows(made: Evidence, home: Path, database: str) -> None:
    made.calls, made.items, made.timers, made.open_turns = {}, Counter(), Counter(), []
    sealing = Sealing(Keys(home / "keys.json"))
    for call_id, action, settlement in _query(_ACTIONS, "actions", home, database):
        made.calls[call_id] = Call(call_id, action, settlement)
    for row_id, user, what, sealed in _query(_THINGS, "actions", home, database):
        data = json.loads(sealing.open_bytes(user, "actions_row", bytes(sealed)))
        if what == "timer":
            made.timers[row_id] += 1
        else:
            made.items[data.get("text") or data.get("item", "")] += 1
    for (blob,) in _query(_SESSIONS[bool(database)], "dialogue", home, database):
        end = 1 + bytes(blob)[0]
        plain = sealing.open_bytes(bytes(blob)[1:end].decode(), "dialogue", bytes(blob)[end:])
        made.open_turns += [t.header.turn_id for t in SessionRow.FromString(plain).open]


_ACTIONS = "SELECT call_id, action, settlement FROM actions_call"
_THINGS = "SELECT id, user_id, kind, data FROM actions_row"
_SESSIONS = {
    False: "SELECT row FROM stage_row WHERE stage = 'dialogue' AND row IS NOT NULL",
    True: "SELECT content FROM parlance_row WHERE stage = 'dialogue' AND content IS NOT NULL",
}


def _query(sql: str, service: str, home: Path, database: str) -> Iterable[Any]:
    if database:
        import psycopg

        with psycopg.connect(database) as db:
            return list(db.execute(sql))
    with closing(sqlite3.connect(f"file:{home}/rows-{service}.db?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()
