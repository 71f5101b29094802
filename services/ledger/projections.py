"""What an event says of the ledger's rows: pure functions of log records, the same on the journal and on Kafka.

A row is never a counter: each column is told by one event, so a record that comes twice changes nothing, and the order
between topics does not matter. Personal fields are never opened.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.message import DecodeError

from parlance.bus import Record
from parlance.events import TOPICS, kind, parse, payload
from parlance.outgoing import BEGAN
from parlance.v1.reply_pb2 import SETTLEMENT_DONE, SETTLEMENT_FAILED
from parlance.v1.turn_pb2 import Header
from services.ledger.model_calls import left, used
from services.ledger.tables import CALL, REFUSED, TABLES, TURN

# What is read of the log.
READ = ("session.v1", "speech.v1", "intent.v1", "reply.v1", "effect.v1", "llm.v1", "context.v1", "voice.v1")

# In microseconds the year 2255.
_MOST = 2**53

Key = tuple[Any, ...]
Values = dict[str, Any]
# By the table's name and the row's key.
Rows = dict[tuple[str, Key], Values]


@dataclass(frozen=True, slots=True)
class _Told:
    """An event of the log: `ts_us` is when it was written, `began_us` when work on it began."""

    topic: str
    header: Header
    body: Any
    ts_us: int
    began_us: int

    @property
    def took_us(self) -> int:
        return max(0, self.ts_us - self.began_us)

    @property
    def stage(self) -> str:
        return TOPICS[self.topic].producer


def project(records: Iterable[Record]) -> Rows:
    """The rows that these records tell. What is no event, or tells nothing, is passed over."""
    rows: Rows = {}
    for record in records:
        event = _event(record)
        tell = None if event is None else _TELLS.get((record.topic, kind(event)))
        if tell is not None:
            _add(rows, *tell(_told(record, event)))
    return rows


def _add(rows: Rows, table: str, key: Key, values: Values) -> None:
    known = {name: value for name, value in values.items() if isinstance(value, str) or _sane(value)}
    old = rows.get((table, key))
    rows[table, key] = known if old is None else TABLES[table].merged(old, known)


def merge(rows: Rows, later: Rows) -> None:
    """Adds rows that were told later."""
    for (table, key), values in later.items():
        _add(rows, table, key, values)


def _sane(number: int | None) -> bool:
    """A number that no clock and no vendor can mean would stop the sums of all others."""
    return number is not None and 0 <= number <= _MOST


def _event(record: Record) -> Any:
    """None where it is none."""
    try:
        return parse(record.topic, record.value) if record.topic in READ else None
    except DecodeError:
        return None


def _told(record: Record, event: Any) -> _Told:
    began = dict(record.headers).get(BEGAN, b"")
    began_us = int(began) if began.isdigit() else record.ts_us
    return _Told(record.topic, event.header, payload(event), record.ts_us, began_us)


def _turn(told: _Told, **values: Any) -> tuple[str, Key, Values]:
    header = told.header
    values |= {
        "day": _day(header.accepted_at_us, header.time_zone),
        "accepted_at_us": header.accepted_at_us,
        "asked_at_us": header.asked_at_us or None,
        "modality": header.modality or None,
    }
    return TURN.name, (header.run, header.turn_id), values


def _call(told: _Told, call_id: str, attempt: int, **values: Any) -> tuple[str, Key, Values]:
    """A call without an id (a stranger's client) goes by its event's."""
    header = told.header
    values |= {
        "turn_id": header.turn_id,
        "day": _day(header.accepted_at_us or told.ts_us, header.time_zone),
        "stage": told.stage,
    }
    return CALL.name, (header.run, call_id or header.event_id, attempt), values


def _transcript(told: _Told) -> tuple[str, Key, Values]:
    body, asked = told.body, told.header.asked_at_us
    took = max(0, told.ts_us - asked) if asked else None
    return _turn(told, speech_provider=body.provider, speech_us=took, voiced_ms=body.voiced_ms)


def _intent(told: _Told) -> tuple[str, Key, Values]:
    return _turn(told, intent=told.body.intent, intent_provider=told.body.provider, intent_us=told.took_us)


def _clause(told: _Told) -> tuple[str, Key, Values]:
    if told.body.seq:
        return _turn(told)
    return _turn(told, clause_provider=told.body.provider, clause_us=told.took_us)


def _end(told: _Told) -> tuple[str, Key, Values]:
    return _turn(told, outcome=told.body.outcome, reason=told.body.reason, ended_at_us=told.ts_us)


def _act(told: _Told) -> tuple[str, Key, Values]:
    """How long it took counts where it came to its end: what was refused never began."""
    body = told.body
    ended = body.settlement in (SETTLEMENT_DONE, SETTLEMENT_FAILED)
    took = max(0, told.ts_us - body.began_at_us) if ended else None
    return _call(told, body.call_id, 0, provider=body.action, began_at_us=body.began_at_us, latency_us=took)


def _usage(told: _Told) -> tuple[str, Key, Values]:
    return _call(told, told.body.call_id, told.body.attempt, **used(told.header, told.body, told.ts_us))


def _egress(told: _Told) -> tuple[str, Key, Values]:
    return _call(told, told.body.call_id, told.body.attempt, **left(told.header, told.body, told.ts_us))


def _lookup(told: _Told) -> tuple[str, Key, Values]:
    """What was looked up is personal: of an answer its time alone is told."""
    return _call(told, told.body.call_id, 0, provider="", latency_us=told.body.took_us or None)


def _voice(told: _Told) -> tuple[str, Key, Values]:
    body = told.body
    return _call(
        told,
        body.call_id,
        0,
        provider=body.provider,
        began_at_us=body.began_at_us or None,
        latency_us=body.first_audio_us or None,
        characters=body.characters,
        audio_ms=body.audio_ms,
    )


def _refused(told: _Told) -> tuple[str, Key, Values]:
    header = told.header
    day = _day(header.accepted_at_us, header.time_zone)
    return REFUSED.name, (header.run, header.event_id), {"day": day, "turns": told.body.turns}


# By topic and payload. An event that opens a turn makes its row, whichever comes first.
_TELLS: dict[tuple[str, str], Callable[[_Told], tuple[str, Key, Values]]] = {
    ("session.v1", "accepted"): _turn,
    ("session.v1", "confirmed"): _turn,
    ("session.v1", "refused"): _refused,
    ("effect.v1", "fired"): _turn,
    ("speech.v1", "final"): _transcript,
    ("intent.v1", "recognized"): _intent,
    ("reply.v1", "clause"): _clause,
    ("reply.v1", "completed"): _end,
    ("effect.v1", "effect"): _act,
    ("llm.v1", "usage"): _usage,
    ("llm.v1", "egress"): _egress,
    ("context.v1", "answered"): _lookup,
    ("voice.v1", "spoken"): _voice,
}


def _day(us: int, time_zone: str) -> str:
    """ "2026-11-28" where the person was; "" where no calendar has that moment."""
    try:
        return datetime.fromtimestamp(us / 1e6, _zone(time_zone)).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return ""


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
