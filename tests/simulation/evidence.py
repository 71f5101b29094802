"""What a run left behind, opened and sorted by turn."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from parlance.events import kind, parse
from parlance.v1.state_pb2 import SessionRow
from parlance.v1.turn_pb2 import Heard
from tests.simulation.loop import Life
from tests.simulation.run import Run

_OPENS = ("accepted", "final", "recognized", "fired")


@dataclass
class Fact:
    """An event as it stands in the log, in the order of the log's topic."""

    topic: str
    event: Any
    life: Life | None
    asked_at: float
    ts_us: int


@dataclass
class TurnFacts:
    turn_id: str
    facts: list[Fact] = field(default_factory=list)

    def of(self, name: str) -> list[Fact]:
        return [f for f in self.facts if kind(f.event) == name]

    @property
    def text(self) -> str:
        """What was said or typed."""
        said = [f.event for name in ("accepted", "final", "recognized") for f in self.of(name)]
        texts = [getattr(event, kind(event)).text for event in said]
        return next(filter(None, texts), "")

    def visible(self) -> list[Fact]:
        """What a consumer of reply.v1 sees that drops known ids and whatever follows the turn's end."""
        seen, out = set[str](), list[Fact]()
        for fact in self.facts:
            if fact.topic != "reply.v1" or fact.event.header.event_id in seen:
                continue
            seen.add(fact.event.header.event_id)
            out.append(fact)
            if kind(fact.event) == "completed":
                break
        return out


@dataclass
class Evidence:
    run: Run
    turns: dict[str, TurnFacts]
    letters: int
    rows: dict[str, SessionRow]
    # How often each thing (a note's text, a list's item) exists.
    things: dict[str, int]
    # What was told to be heard of a turn: by ReplyHeard, or in the header of a later turn.
    heard: dict[str, list[Heard]]


def gather(run: Run) -> Evidence:
    turns: dict[str, TurnFacts] = {}
    letters = 0
    heard: dict[str, list[Heard]] = defaultdict(list)
    for (topic, _), log in run.world.log.items():
        if topic.endswith(".dead.v1"):
            letters += len(log)
            continue
        for written in log:
            event = run.world.sealing.open(parse(topic, written.record.value))
            fact = Fact(topic, event, written.life, written.asked_at, written.record.ts_us)
            turns.setdefault(event.header.turn_id, TurnFacts(event.header.turn_id)).facts.append(fact)
            if kind(event) == "heard":
                heard[event.heard.heard.turn_id].append(event.heard.heard)
            if event.header.HasField("heard"):
                heard[event.header.heard.turn_id].append(event.header.heard)
    opened = {turn_id: t for turn_id, t in turns.items() if turn_id and any(t.of(k) for k in _OPENS)}
    return Evidence(run, opened, letters, _rows(run), _things(run), heard)


def _rows(run: Run) -> dict[str, SessionRow]:
    made = {}
    for (stage, session), (_, _, blob) in run.world.rows.items():
        if blob is not None:
            end = 1 + blob[0]
            plain = run.world.sealing.open_bytes(blob[1:end].decode(), stage, blob[end:])
            made[session] = SessionRow.FromString(plain)
    return made


def _things(run: Run) -> dict[str, int]:
    made: dict[str, int] = defaultdict(int)
    for user, sealed in run.world.db.execute("SELECT user_id, data FROM actions_row"):
        data = json.loads(run.world.sealing.open_bytes(user, "actions_row", sealed))
        made[data.get("text") or data.get("item", "")] += 1
    return made
