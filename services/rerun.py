"""`parlance replay turn ID`: a past turn run again, its events written to a fresh home, read back, compared."""

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parlance.bus import Bus
from parlance.bus_choice import for_looking
from parlance.bus_journal import JournalBus
from parlance.config import Config
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, kind, parse, payload, to_bytes, topic_of
from parlance.history import History
from parlance.outgoing import follow, record_of
from parlance.privacy import Keys, Sealing
from parlance.routes import DEFAULTS
from parlance.v1.intent_pb2 import IntentEvent
from services.dialogue.handler import converse
from services.dialogue.replay import Record, Understand, run_again, unverifiable
from services.intent.handler import understand as understand_event
from services.intent.provider import open_route


@dataclass(frozen=True, slots=True)
class Compared:
    """One event of the turn. `state`: "same", "different", "missing" (not made again) or "new"."""

    event: str
    state: str


@dataclass(frozen=True, slots=True)
class Verdict:
    turn_id: str
    events: Sequence[Compared]
    # Why it cannot be verified; "" where it can.
    why_not: str

    @property
    def same(self) -> bool:
        return not self.why_not and all(e.state == "same" for e in self.events)

    def as_json(self) -> dict[str, Any]:
        return {
            "turn_id": self.turn_id,
            "verified": self.same,
            "not_verifiable": self.why_not or None,
            "events": [{"event": e.event, "state": e.state} for e in self.events],
        }


async def rerun(config: Config, turn_id: str, understand: Understand) -> Verdict:
    """Reads the turn from the log, which may be in use by a running platform. Raises InvalidRequest where the turn
    is not there or has not ended."""
    async with AsyncExitStack() as stack:
        bus = await _open(stack, for_looking(config))
        past = await History(bus, Sealing(Keys(config.keys))).past(turn_id)
        record = Record.of(past)
        if record is None:
            raise InvalidRequest(f"turn {past.header.turn_id[:8]} has not ended yet")
        why_not = unverifiable(record)
        made = [] if why_not else await run_again(record, converse, understand)
        fresh = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parlance-replay-")))
        read_back = await _through(stack, fresh, made)
        return Verdict(past.header.turn_id, _compare(record, read_back) if not why_not else [], why_not)


async def _open(stack: AsyncExitStack, bus: Bus) -> Bus:
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    stack.push_async_callback(bus.stop)
    return bus


async def _through(stack: AsyncExitStack, home: Path, events: Sequence[Any]) -> list[Any]:
    """The events after a journey through a fresh home: sealed with its keys, written, read, opened."""
    bus, sealing = await _open(stack, JournalBus(home / "journal.db")), Sealing(Keys(home / "keys.json"))
    at = [await bus.publish(record_of(event, sealing.seal)) for event in events]
    return [await _read(bus, sealing, record.topic, record.partition, record.offset) for record in at]


async def _read(bus: Bus, sealing: Sealing, topic: str, partition: int, offset: int) -> Any:
    record = (await bus.read(topic, partition, offset, 1))[0]
    return sealing.open(parse(record.topic, record.value))


def _compare(record: Record, made: Sequence[Any]) -> list[Compared]:
    wanted = {s.event.header.event_id: s.event for s in record.visible()}
    got = {e.header.event_id: e for e in made}
    compared = []
    for event_id, event in wanted.items():
        again = got.get(event_id)
        state = "missing" if again is None else "same" if to_bytes(again) == to_bytes(event) else "different"
        compared.append(Compared(_name(event), state))
    return compared + [Compared(_name(e), "new") for i, e in got.items() if i not in wanted]


def _name(event: Any) -> str:
    name = type(payload(event)).__name__
    return f"{name} {event.clause.seq}" if kind(event) == "clause" else name


async def understanding(config: Config) -> Understand:
    """What intent makes of a transcript or a typed text, as it would publish it."""
    routed = await asyncio.to_thread(open_route, DEFAULTS["intent"], config.home)

    async def understand(source: Any) -> list[Any]:
        bodies = understand_event(source, routed)
        async with aclosing(bodies):
            return [follow(IntentEvent, source.header, body, n) async for n, body in _numbered(bodies)]

    return understand


async def _numbered(bodies: AsyncGenerator[Any, None]) -> AsyncGenerator[tuple[int, Any], None]:
    n = 0
    async for body in bodies:
        yield n, body
        n += 1


async def show(config: Config, turn_id: str, *, as_json: bool, verify: bool) -> int:
    """Prints the verdict. 1 where --verify found a difference."""
    verdict = await rerun(config, turn_id, await understanding(config))
    if as_json:
        print(json.dumps(verdict.as_json(), indent=2))
    elif verdict.why_not:
        print(f"{verdict.turn_id}: not verifiable: {verdict.why_not}")
    else:
        for compared in verdict.events:
            print(f"  {compared.event:20s} {compared.state}")
        ended = "the same, byte for byte" if verdict.same else "NOT the same"
        print(f"{verdict.turn_id}: run again, {len(verdict.events)} events, {ended}")
    return 1 if verify and not verdict.same and not verdict.why_not else 0
