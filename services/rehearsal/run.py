"""A replay file put straight on the bus of a stack that is marked for rehearsal, and what came of it."""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from parlance.bus import Bus
from parlance.errors import InvalidRequest
from parlance.load_job import Row
from parlance.load_result import Result
from parlance.privacy import Sealing
from parlance.v1.replay_pb2 import ReplayTurn
from services.rehearsal.events import Prepared, Whose, prepared
from services.rehearsal.outcomes import Came, Outcomes
from services.rehearsal.sender import Sender

# They are kept whole in memory, about a kilobyte each.
TURNS_MAX = 200_000


@dataclass(slots=True)
class Direct:
    """`tell` is called with how many are sent."""

    bus: Bus
    sealing: Sealing
    whose: Whose
    speed: float | None
    tell: Callable[[int], None]
    sender: Sender | None = None

    def stop(self) -> None:
        if self.sender is not None:
            self.sender.stop()

    async def go(self, turns: Sequence[ReplayTurn], result: Result) -> None:
        """Fills the result. Raises InvalidRequest for too many turns, Unavailable where the bus takes them not."""
        if len(turns) > TURNS_MAX:
            raise InvalidRequest(f"{len(turns)} turns are too many to send directly: up to {TURNS_MAX}, see --limit")
        records = await asyncio.to_thread(prepared, turns, self.whose, self.speed, self.sealing)
        outcomes = Outcomes(self.bus, self.whose.run)
        await outcomes.start()
        self.sender = sender = Sender(self.bus, records, self.tell)
        cpu = _cpu_s()
        await sender.run()
        result.sender_cpu_s += _cpu_s() - cpu
        result.began.append([float(sender.start_us), 0.0])
        result.stretches += 1
        came = await outcomes.wait(len(sender.sent))
        result.took_s = time.monotonic() - sender.start
        sent = zip(records, sender.sent, strict=False)
        result.rows += [_row(record, at, came.get(record.turn_id, Came()), sender.start_us) for record, at in sent]


def _row(record: Prepared, sent_s: float, came: Came, start_us: int) -> Row:
    due = round(record.due_s * 1000, 3)

    def ms(at_us: int) -> float | None:
        return round((at_us - start_us) / 1000, 3) if at_us else None

    error = came.error if came.ended_us else "no end of it came"
    sent = round(sent_s * 1000, 3)
    return Row(record.n, due, due, sent, None, ms(came.first_us), ms(came.ended_us), came.outcome or "lost", error)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
