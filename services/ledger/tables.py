"""The ledger's tables: their columns, how a column takes a second telling, and the SQL that follows from both.

The SQL is what SQLite and PostgreSQL have in common, with "?" for parameters.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

# Runs a query and gives its rows.
Query = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]


class Merge(Enum):
    # The first telling stays: told by one topic alone, whose order is kept.
    FIRST = "first"
    # The largest stays: told by several topics (the header), between which there is no order.
    LARGEST = "largest"
    # The last telling stays: told by whoever saves.
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str = "BIGINT"
    merge: Merge = Merge.FIRST


@dataclass(frozen=True)
class Table:
    name: str
    key: tuple[Column, ...]
    columns: tuple[Column, ...]

    @cached_property
    def create(self) -> str:
        keys = [f"{c.name} {c.type} NOT NULL" for c in self.key]
        others = [f"{c.name} {c.type}" for c in self.columns]
        names = ", ".join(c.name for c in self.key)
        return f"CREATE TABLE IF NOT EXISTS {self.name}({', '.join([*keys, *others])}, PRIMARY KEY({names}))"

    @cached_property
    def upsert(self) -> str:
        names = [c.name for c in (*self.key, *self.columns)]
        sets = ", ".join(f"{c.name} = {self._merged(c)}" for c in self.columns)
        return (
            f"INSERT INTO {self.name}({', '.join(names)}) VALUES({', '.join('?' * len(names))}) "
            f"ON CONFLICT({', '.join(c.name for c in self.key)}) DO UPDATE SET {sets}"
        )

    @cached_property
    def added(self) -> dict[str, str]:
        """By name, the statement that adds a column to a table that an earlier Parlance has made."""
        return {c.name: f"ALTER TABLE {self.name} ADD COLUMN {c.name} {c.type}" for c in self.columns}

    def _merged(self, column: Column) -> str:
        old, new = f"{self.name}.{column.name}", f"excluded.{column.name}"
        kept = f"COALESCE({old}, {new})"
        larger = f"CASE WHEN {new} > {old} THEN {new} ELSE {kept} END"
        return {Merge.FIRST: kept, Merge.LARGEST: larger, Merge.LAST: new}[column.merge]

    def merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """What the upsert makes of a projected row, in Python: columns that nobody told are missing."""
        made = {**new, **old}
        for column in self.columns:
            if column.merge is Merge.LARGEST and column.name in old and column.name in new:
                made[column.name] = max(old[column.name], new[column.name])
        return made


_TEXT = "TEXT"
TURN = Table(
    "ledger_turn",
    (Column("run", _TEXT), Column("turn_id", _TEXT)),
    (
        # The date where the person was.
        Column("day", _TEXT, Merge.LARGEST),
        Column("accepted_at_us", merge=Merge.LARGEST),
        # End of speech.
        Column("asked_at_us", merge=Merge.LARGEST),
        Column("modality", merge=Merge.LARGEST),
        Column("outcome"),
        Column("reason"),
        Column("ended_at_us"),
        # From the end of speech to its transcript; the sound between the first and the last word.
        Column("speech_provider", _TEXT),
        Column("speech_us"),
        Column("voiced_ms"),
        Column("intent", _TEXT),
        Column("intent_provider", _TEXT),
        Column("intent_us"),
        # From the beginning of the handler to its first clause; who made its words ("": dialogue itself).
        Column("clause_provider", _TEXT),
        Column("clause_us"),
    ),
)
CALL = Table(
    "ledger_call",
    (Column("run", _TEXT), Column("call_id", _TEXT), Column("attempt")),
    (
        Column("turn_id", _TEXT),
        Column("day", _TEXT),
        Column("stage", _TEXT),
        # "provider:model"; of actions: the action.
        Column("provider", _TEXT),
        Column("began_at_us"),
        # llm: to the first piece; tts: to the first sound; actions, context: to the answer.
        Column("latency_us"),
        Column("input_tokens"),
        Column("output_tokens"),
        Column("estimated"),
        Column("characters"),
        Column("audio_ms"),
        Column("destination", _TEXT),
        Column("bytes_sent"),
        Column("bytes_received"),
        # Of llm, from here on. Who asked, under which rule of which version of the route; where the model runs (Tier).
        Column("user_id", _TEXT),
        Column("rule", _TEXT),
        Column("route_version", _TEXT),
        Column("tier"),
        # Of the input; of the output.
        Column("cache_read_tokens"),
        Column("cache_write_tokens"),
        Column("reasoning_tokens"),
        # US dollars / 1e9.
        Column("cost_nanos"),
        # To the last piece; why it was asked (Attempt), how it ended (End) and with which ErrorCode.
        Column("took_us"),
        Column("why"),
        Column("ended"),
        Column("error"),
        # What left: when that was told; classes of data, "," between them; under which catalogue; what was asked for
        # and promised; whether the answer was cut off, and whether its bytes were counted by nobody.
        Column("left_at_us"),
        Column("data_classes", _TEXT),
        Column("policy_version", _TEXT),
        Column("region", _TEXT),
        Column("retention_days"),
        Column("cut"),
        Column("bytes_estimated"),
    ),
)
# Turns that were refused at the door, some of them a row: they were never accepted, so they have no rows of their own.
REFUSED = Table(
    "ledger_refused",
    (Column("run", _TEXT), Column("event_id", _TEXT)),
    (Column("day", _TEXT), Column("turns")),
)
# How far the log has been read, in one transaction with what was read.
OFFSET = Table(
    "ledger_offset",
    (Column("topic", _TEXT), Column("part")),
    (Column("next_offset", merge=Merge.LAST),),
)
# What is counted by the minute while it happens: of one partition's log up to `next_offset`, so that the larger count
# is the later one, and a record below it is in it already.
RATE = Table(
    "ledger_rate",
    (
        Column("run", _TEXT),
        Column("topic", _TEXT),
        Column("part"),
        # Its beginning.
        Column("minute_us"),
        # "turns", "input_tokens", ...; of what: the outcome, or "provider:model".
        Column("measure", _TEXT),
        Column("name", _TEXT),
    ),
    (Column("amount", merge=Merge.LARGEST), Column("next_offset", merge=Merge.LARGEST)),
)
# What the log is projected to; the same log gives the same rows.
TABLES = {table.name: table for table in (TURN, CALL, REFUSED)}
STORED = (*TABLES.values(), RATE)
# Form 2 has the columns of what llm costs and lets leave.
FORM = 2
# What tells the columns that this form has and the one before had not: read again as far as the log still holds it.
TOLD_ANEW = "DELETE FROM ledger_offset WHERE topic = 'llm.v1'"


def dump(query: Query, tables: Iterable[Table] = TABLES.values()) -> bytes:
    """All rows, in order of their keys: two ledgers that say the same give the same bytes."""
    lines = []
    for table in tables:
        names = ", ".join(c.name for c in (*table.key, *table.columns))
        order = ", ".join(c.name for c in table.key)
        for row in query(f"SELECT {names} FROM {table.name} ORDER BY {order}", ()):
            lines.append(json.dumps([table.name, *row], ensure_ascii=False))
    return "\n".join(lines).encode()
