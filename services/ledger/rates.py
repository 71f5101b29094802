"""What is counted live, by the minute of its record: turns by how they ended, and usage.

Counters, unlike the ledger's rows: an event that its writer has written twice counts twice here. What is counted is
kept with how far the partition was read, so a record that is *read* twice changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from parlance.bus import Record
from parlance.v1.gateway_service_pb2 import LiveRate
from parlance.v1.reply_pb2 import Outcome
from services.ledger.projections import Rows, Values
from services.ledger.tables import RATE, TURN, Query

MINUTE_US = 60_000_000
# So many minutes are kept; of what is older nothing is counted.
KEPT = 60
_USED = ("input_tokens", "output_tokens", "characters", "audio_ms")
_KEPT_SQL = """
SELECT minute_us, measure, name, SUM(amount) FROM ledger_rate WHERE run = ? AND minute_us >= ?
GROUP BY minute_us, measure, name ORDER BY minute_us, measure, name"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted together: of one run and partition. `name`: the outcome, or "provider:model"."""

    run: str
    topic: str
    part: int
    measure: str
    name: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Of the records of a minute below `next_offset`."""

    amount: int = 0
    next_offset: int = 0

    def told(self, later: "Amount") -> "Amount":
        """With what one more record tells; `later.next_offset` is the one after it."""
        if later.next_offset <= self.next_offset:
            return self
        return Amount(self.amount + later.amount, later.next_offset)


def since_us(now_us: int) -> int:
    """The first minute that counts."""
    return now_us // MINUTE_US * MINUTE_US - (KEPT - 1) * MINUTE_US


def counts(record: Record, rows: Rows) -> dict[Counted, Amount]:
    """What a record, whose projection is `rows`, adds to its minute."""
    found: dict[Counted, Amount] = {}
    for (table, key), values in rows.items():
        for measure, name, amount in _of_turn(values) if table == TURN.name else _of_call(values):
            found[Counted(key[0], record.topic, record.partition, measure, name)] = Amount(amount, record.offset + 1)
    return found


def _of_turn(values: Values) -> Iterable[tuple[str, str, int]]:
    if outcome := values.get("outcome"):
        yield "turns", outcome_name(outcome), 1
    if voiced := values.get("voiced_ms"):
        yield "voiced_ms", values.get("speech_provider", ""), voiced


def _of_call(values: Values) -> Iterable[tuple[str, str, int]]:
    return [(name, values.get("provider", ""), amount) for name in _USED if (amount := values.get(name))]


def outcome_name(number: int) -> str:
    """ "answered"; the number where a newer Parlance has written it."""
    known = number in Outcome.values()
    return Outcome.Name(Outcome.ValueType(number)).removeprefix("OUTCOME_").lower() if known else str(number)


def row(counted: Counted, minute_us: int, amount: Amount) -> Rows:
    """The row that keeps it."""
    key = (counted.run, counted.topic, counted.part, minute_us, counted.measure, counted.name)
    return {(RATE.name, key): {"amount": amount.amount, "next_offset": amount.next_offset}}


def kept(query: Query, now_us: int) -> list[tuple[Counted, int, Amount]]:
    """The rows of the last hour, each with its minute."""
    names = ", ".join(c.name for c in (*RATE.key, *RATE.columns))
    found = query(f"SELECT {names} FROM {RATE.name} WHERE minute_us >= ?", (since_us(now_us),))
    return [
        (Counted(run, topic, part, measure, name), minute_us, Amount(amount, reached))
        for run, topic, part, minute_us, measure, name, amount, reached in found
    ]


def live(query: Query, run: str, now_us: int) -> list[LiveRate]:
    """Of the last hour, oldest first; empty where nothing counts live."""
    return [
        LiveRate(minute_us=minute_us, measure=measure, name=name, amount=int(amount))
        for minute_us, measure, name, amount in query(_KEPT_SQL, (run, since_us(now_us)))
    ]
