"""Makes timers and alarms go off: exactly once, also those whose time came while nothing was running."""

import asyncio
from typing import Any

from parlance import clock, ids
from parlance.errors import ParlanceError
from parlance.events import wrap
from parlance.outgoing import record_of
from parlance.privacy import Sealing
from parlance.store import Store
from parlance.v1.effect_pb2 import EffectEvent, TimerFired
from parlance.v1.turn_pb2 import Header, Label, Modality
from services.actions import outside, tables
from services.actions.domains import alarms

# A timer later than this was missed: its turn begins now, not when it was due.
_LATE_US = 2_000_000
_ANSWER_US = 3_600_000_000
# The wall clock may be set, and a laptop may sleep: look again at least this often while a timer is pending.
_LONGEST_S = 30.0
# Where others set timers too, and may be gone when these are due.
_SHARED_S = 5.0
_RETRY_S = 1.0


class Ticker:
    """`run` is a task of its owner's TaskGroup; `wake` tells it that a timer was set or cancelled."""

    def __init__(self, store: Store, sealing: Sealing) -> None:
        self._store = store
        self._sealing = sealing
        self._woken = asyncio.Event()
        self._idle_s = _SHARED_S if store.shared else None

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Where the store is out of reach, the timers go off once it is back."""
        while True:
            self._woken.clear()
            try:
                due_us = await self._store.query(tables.next_due_us)
                if due_us is not None and due_us <= clock.now_us():
                    await self._store.transact(self._fire)
                    continue
            except ParlanceError:
                await self._pause(_RETRY_S)
            else:
                await self._pause(self._idle_s if due_us is None else (due_us - clock.now_us()) / 1e6)

    async def _pause(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(None if seconds is None else min(max(seconds, 0.0), self._idle_s or _LONGEST_S)):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _fire(self, tx: Any) -> None:
        now_us = clock.now_us()
        outside.expire(tx, self._sealing)
        for row in tables.take_due(tx.db, self._sealing, now_us):
            fired = TimerFired(
                timer_id=row.id,
                label=row.data.get("label", ""),
                due_at_us=row.due_us,
                alarm=row.kind == alarms.KIND,
                duration_s=int(row.data.get("seconds", "0")),
            )
            event = wrap(EffectEvent, _header(row, now_us), fired)
            tx.append(record_of(event, self._sealing.seal, row.due_us))


def _header(row: tables.DueRow, now_us: int) -> Header:
    """Of the turn that the timer opens: where it was set, with ids that derive from the timer alone."""
    cause = row.header
    at_us = row.due_us if now_us - row.due_us <= _LATE_US else now_us
    return Header(
        event_id=ids.event_id(cause.run, row.id, TimerFired.DESCRIPTOR.name),
        run=cause.run,
        turn_id=ids.derived(cause.run, row.id, "fired"),
        session_id=cause.session_id,
        user_id=cause.user_id,
        device_id=cause.device_id,
        accepted_at_us=at_us,
        asked_at_us=at_us,
        deadline_us=at_us + _ANSWER_US,
        reply_partition=cause.reply_partition,
        causation_id=cause.event_id,
        label=Label.LABEL_PERSONAL,
        time_zone=cause.time_zone,
        modality=Modality.MODALITY_UNASKED,
    )
