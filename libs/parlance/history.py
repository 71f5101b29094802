"""The past, read from the log: turns, newest first, and every step of one. Pure projections: nothing is stored."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from parlance.bus import Bus, Record
from parlance.egress import leaves
from parlance.errors import InvalidRequest, ParlanceError
from parlance.events import TOPICS, kind, parse, payload
from parlance.history_search import SEARCHED, Found, around, find
from parlance.money import paid
from parlance.outgoing import BEGAN
from parlance.privacy import KeyDestroyed, Sealing
from parlance.v1.gateway_service_pb2 import GetTurnResponse, Step, TurnSummary
from parlance.v1.reply_pb2 import Outcome, Reason, Settlement
from parlance.v1.turn_pb2 import Header

_TOPICS = (
    *("session.v1", "speech.v1", "intent.v1", "reply.v1", "effect.v1"),
    *("llm.v1", "context.v1", "voice.v1", "state.v1"),
)
# Turns that are kept in memory: the newest. Older ones are read again when somebody asks for them.
_TURNS_KEPT = 500
_SHORTEST_PREFIX = 4
# Records of live turns that are read of a partition at first; those of runs do not count.
_LOOK_BACK = 20_000
_BATCH = 1000
_FLUSH_S = 3.0


@dataclass(slots=True)
class Seen:
    """An event of a turn as it stands in the log."""

    topic: str
    event: Any
    began_us: int
    ended_us: int


@dataclass(slots=True)
class Past:
    header: Header
    seen: list[Seen] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)


class History:
    def __init__(self, bus: Bus, sealing: Sealing) -> None:
        self._bus, self._sealing = bus, sealing
        self._next: dict[tuple[str, int], int] = {}
        self._turns: dict[str, Past] = {}

    async def newest(self, limit: int) -> list[TurnSummary]:
        """The newest turns, newest first."""
        await self._catch_up()
        pasts = sorted(self._turns.values(), key=_accepted, reverse=True)
        return [summary_of(p) for p in pasts[:limit]]

    async def past(self, turn_id: str) -> Past:
        """One turn of all that the log still holds, by its id or a prefix of it. Raises InvalidRequest where that
        names none or several."""
        wanted = turn_id.strip().lower()
        if len(wanted) < _SHORTEST_PREFIX:
            raise InvalidRequest(f"'{turn_id}' is too short: give {_SHORTEST_PREFIX} or more characters of an id")
        await self._catch_up()
        if wanted in self._turns:
            return self._turns[wanted]
        older = await find(self._bus, wanted)
        names = {t for t in self._turns if t.startswith(wanted)} | older.keys()
        if len(names) > 1:
            raise InvalidRequest(_ambiguous(wanted, names))
        name = names.pop() if names else ""
        past = self._turns.get(name) or (await self._gather(older[name]) if name else None)
        if past is None:
            days = TOPICS[SEARCHED].retention_ms // 86_400_000
            raise InvalidRequest(f"'{turn_id}' names no turn of the last {days} days; see 'parlance turns'")
        return past

    async def turn(self, turn_id: str) -> GetTurnResponse:
        return told(await self.past(turn_id))

    async def _catch_up(self) -> None:
        # What was appended lazily before somebody asked is part of the answer; a disk that is full still can be read.
        # So does what a broker that is away has been given.
        with suppress(ParlanceError, TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                await self._bus.flush()
        for topic in _TOPICS:
            for partition in range(TOPICS[topic].partitions):
                await self._read(topic, partition)
        for past in sorted(self._turns.values(), key=_accepted)[:-_TURNS_KEPT]:
            del self._turns[past.header.turn_id]

    async def _read(self, topic: str, partition: int) -> None:
        at, end = (topic, partition), await self._bus.end(topic, partition)
        next_ = self._next.get(at, 0)
        live: list[Seen] = []
        # Backwards in blocks: a load run may have written more than all that a user remembers.
        until = end
        while until > next_ and len(live) < _LOOK_BACK:
            start = max(next_, until - _LOOK_BACK)
            live = [*await self._live(topic, partition, start, until), *live]
            until = start
        for seen in live:
            self._note(seen, self._turns)
        self._next[at] = end

    async def _live(self, topic: str, partition: int, start: int, end: int) -> list[Seen]:
        """What live turns left in these records, sealed, in order."""
        found: list[Seen] = []
        while start < end and (records := await self._bus.read(topic, partition, start, min(_BATCH, end - start))):
            found += [seen for record in records if record.offset < end and (seen := seen_in(record)) is not None]
            start = records[-1].offset + 1
        return found

    async def _gather(self, found: Found) -> Past | None:
        """A turn that is not in memory; None where it has just been deleted."""
        turns: dict[str, Past] = {}
        async with aclosing(around(self._bus, _TOPICS, found)) as records:
            async for record in records:
                if (seen := seen_in(record)) is not None:
                    self._note(seen, turns)
        return turns.get(found.turn_id)

    def _note(self, seen: Seen, turns: dict[str, Past]) -> None:
        with suppress(KeyDestroyed):
            self._sealing.open(seen.event)
        header = seen.event.header
        past = turns.get(header.turn_id)
        if past is None:
            past = turns[header.turn_id] = Past(header)
        if header.event_id in past.ids:
            return
        past.ids.add(header.event_id)
        past.seen.append(seen)


def seen_in(record: Record) -> Seen | None:
    """The record's event, sealed; None where it is none of a live turn."""
    try:
        event = parse(record.topic, record.value)
    except DecodeError:
        return None
    if not event.header.turn_id or event.header.run or not kind(event):
        return None
    began = int(dict(record.headers).get(BEGAN, b"0")) or record.ts_us
    return Seen(record.topic, event, began, record.ts_us)


def _accepted(past: Past) -> int:
    return past.header.accepted_at_us


def _ambiguous(prefix: str, names: Iterable[str]) -> str:
    some = ", ".join(name[: len(prefix) + 8] for name in sorted(names)[:3])
    return f"'{prefix}' names several turns ({some}, ...); give more of it"


def _bodies(past: Past, name: str) -> list[Any]:
    return [payload(s.event) for s in past.seen if kind(s.event) == name]


def summary_of(past: Past) -> TurnSummary:
    made = TurnSummary(
        turn_id=past.header.turn_id,
        session_id=past.header.session_id,
        modality=past.header.modality,
        accepted_at_us=past.header.accepted_at_us,
        asked_at_us=max((s.event.header.asked_at_us for s in past.seen), default=0),
    )
    texts = [b.text for name in ("accepted", "final", "recognized") for b in _bodies(past, name) if b.text]
    made.text = texts[-1] if texts else ""
    made.intent = next((b.intent for b in _bodies(past, "recognized")), "")
    clauses = sorted(_bodies(past, "clause"), key=lambda b: b.seq)
    said = [b.text for b in clauses]
    for completed in _bodies(past, "completed"):
        made.outcome, made.reason = completed.outcome, completed.reason
        if completed.say:
            said.append(completed.say)
    made.reply = " ".join(said)
    made.audio_ms = sum(b.audio_ms for b in _bodies(past, "spoken"))
    return made


def told(past: Past) -> GetTurnResponse:
    """A turn with every step, in order of time."""
    made = GetTurnResponse(summary=summary_of(past))
    base = past.header.accepted_at_us
    for seen in sorted(past.seen, key=lambda s: (s.ended_us, s.began_us)):
        if kind(seen.event) == "snapshot":
            continue
        made.steps.append(_step(seen, base))
    for completed in _bodies(past, "completed"):
        made.calls.extend(completed.calls)
        if completed.HasField("error"):
            made.error.CopyFrom(completed.error)
    return made


def _step(seen: Seen, base: int) -> Step:
    body, header = payload(seen.event), seen.event.header
    facts = getattr(body, "answer", body)
    began = getattr(facts, "began_at_us", 0) or seen.began_us
    if kind(seen.event) == "final" and header.asked_at_us:
        began = header.asked_at_us
    destination = getattr(body, "destination", "")
    return Step(
        name=TOPICS[seen.topic].producer,
        event=type(body).__name__,
        provider=getattr(facts, "provider", ""),
        route_version=getattr(facts, "route_version", ""),
        start_us=min(began, seen.ended_us) - base,
        end_us=seen.ended_us - base,
        event_id=header.event_id,
        causation_id=header.causation_id,
        note=_note_of(body),
        left_to=destination if leaves(destination, getattr(body, "tier", 0)) else "",
    )


def _note_of(body: Any) -> str:
    """What a reader wants to know of a step; names and numbers only."""
    notes = {
        "IntentRecognized": lambda: f"{body.intent or 'nothing'} {body.confidence:.2f}",
        "FinalTranscript": lambda: "nothing heard" if body.no_speech else f"{body.voiced_ms} ms of speech",
        "ReplyClause": lambda: f"clause {body.seq}",
        "TurnCompleted": lambda: _words(Outcome.Name(body.outcome), Reason.Name(body.reason)),
        "EffectRecorded": lambda: f"{body.action} {_words(Settlement.Name(body.settlement))}",
        "ClauseSpoken": lambda: f"{body.audio_ms} ms of sound",
        "ReplyHeard": lambda: f"{body.heard.ms} ms of sound heard",
        "EgressRecorded": lambda: ", ".join(body.data_classes) + _stayed(body),
        "UsageRecorded": lambda: f"{body.input_tokens} + {body.output_tokens} tokens{paid(body.cost_nanos)}",
    }
    note = notes.get(type(body).__name__)
    return note() if note else ""


def _stayed(body: Any) -> str:
    return "" if leaves(body.destination, body.tier) else f" to {body.destination} on this device"


def _words(*names: str) -> str:
    kept = [n.partition("_")[2].lower().replace("_", " ") for n in names if not n.endswith("UNSPECIFIED")]
    return ", ".join(kept)
