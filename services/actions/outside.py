"""Acts that reach outside. `begun` is on disk before anything leaves; then it ends once, and is never run again.

Who says how it ended, where several processes share the rows: the process that began it, until the time that stands
beside the row; it stops the act well before. After that time nobody is at it any more, and whoever looks (a restart,
the ticker, another process that is asked) makes it unknown. Where one process alone has the rows, all that is found
begun at its start is unknown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from parlance import clock
from parlance.errors import DeadlineExceeded, InvalidRequest, ParlanceError, Refused, Unreachable
from parlance.events import to_bytes
from parlance.log import logger
from parlance.outgoing import record_of
from parlance.privacy import Sealing
from parlance.store import Store
from parlance.v1.actions_service_pb2 import RunResponse
from parlance.v1.reply_pb2 import Settlement
from services.actions.acts import NOT_KNOWN, Act, again, response_of
from services.actions.recording import effect_event
from services.actions.tables import CallRow, Calls

T = TypeVar("T")
Transact = Callable[[Callable[[Any], T]], Awaitable[T]]

# Between the end of an act's time and the time from which on it counts as given up: its end is written in between, and
# the clocks of two machines may differ.
_WRITE_US = 10_000_000
_POLL_S = 0.05
SETTLE_S = 1.0
_FOR_EVER = 1 << 62


class Outside:
    """`transact` is the service's: committed even where the asker leaves."""

    def __init__(self, store: Store, sealing: Sealing, transact: "Callable[[Callable[[Any], Any]], Any]") -> None:
        self._store = store
        self._sealing = sealing
        self._transact = transact
        # Of this process, by call id.
        self._running: dict[str, asyncio.Task[RunResponse]] = {}

    async def run(self, act: Act) -> RunResponse:
        """Begins it, or joins or gives again what was begun under this call id. It runs on where the asker leaves."""
        if act.call.header.run:
            raise Refused("a run that is not live never reaches outside")
        if not act.request.confirmed_by:
            raise Refused("actions that reach outside need a confirmation, and this request names none")
        task = self._running.get(act.call.id)
        if task is None:
            # Held in `_running` until it ends: the asker may leave, the act may not.
            task = asyncio.get_running_loop().create_task(self._once(act))
            self._running[act.call.id] = task
            task.add_done_callback(lambda done: self._ended(act.call.id, done))
        response = await asyncio.shield(task)
        found = await self.find(act.call.id)
        return response if found is None else again(found, act)

    async def find(self, call_id: str) -> CallRow | None:
        return await self._store.query(lambda db: Calls(db, self._sealing).find(call_id))

    async def settled(self, call_id: str, seconds: float) -> CallRow | None:
        """The row once it has ended, or as it is after so long: its end may come from another process."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            found = await self.find(call_id)
            begun = found is not None and found.settlement == Settlement.SETTLEMENT_BEGUN
            if not begun or loop.time() >= until:
                return found
            await asyncio.sleep(_POLL_S)

    async def _once(self, act: Act) -> RunResponse:
        began_us = clock.now_us()
        found = await self._transact(lambda tx: self._begin(tx, act, began_us))
        if found is None:
            response = await self._reach(act)
            await self._transact(lambda tx: self._end(tx, act.row(response, began_us)))
            return response
        if found.settlement == Settlement.SETTLEMENT_BEGUN:  # another process is at it
            found = await self.settled(act.call.id, act.action.seconds + _WRITE_US / 1e6) or found
        if found.settlement == Settlement.SETTLEMENT_BEGUN:
            await self._transact(lambda tx: expire(tx, self._sealing))
            return NOT_KNOWN
        return again(found, act)

    def _begin(self, tx: Any, act: Act, began_us: int) -> CallRow | None:
        """None: it is ours to do."""
        calls = Calls(tx.db, self._sealing)
        found = calls.find(act.call.id)
        if found is not None:
            return found
        if act.overdue:
            raise DeadlineExceeded("the turn's time was over before the act began; it was not done")
        row = act.begun(began_us)
        if not calls.begin(row, began_us + int(act.action.seconds * 1e6) + _WRITE_US):
            return calls.find(act.call.id)
        tx.append(record_of(effect_event(row), self._sealing.seal, began_us))
        return None

    async def _reach(self, act: Act) -> RunResponse:
        assert act.action.reach is not None
        try:
            async with asyncio.timeout(act.action.seconds):
                return response_of(await act.action.reach(act.asked, act.call.id), act.action.effect)
        except (Refused, InvalidRequest, Unreachable) as exc:
            return RunResponse(settlement=Settlement.SETTLEMENT_FAILED, say=f"That did not work: {exc.message}.")
        except Exception as exc:
            told = exc.message if isinstance(exc, ParlanceError) else type(exc).__name__
            logger.warning("actions: what came of %s is not known: %s", act.request.action, told)
            return NOT_KNOWN

    def _end(self, tx: Any, row: CallRow) -> None:
        if Calls(tx.db, self._sealing).end(row):
            tx.append(record_of(effect_event(row), self._sealing.seal, row.began_us))

    def _ended(self, call_id: str, done: "asyncio.Task[RunResponse]") -> None:
        del self._running[call_id]
        if not done.cancelled():
            done.exception()  # whoever asked was told, or had left


def expire(tx: Any, sealing: Sealing, *, all_of_them: bool = False) -> None:
    """Calls at which nobody is any more become unknown."""
    calls = Calls(tx.db, sealing)
    for row in calls.overdue(_FOR_EVER if all_of_them else clock.now_us()):
        unknown = replace(row, settlement=Settlement.SETTLEMENT_UNKNOWN, response=to_bytes(NOT_KNOWN))
        if calls.end(unknown):
            tx.append(record_of(effect_event(unknown), sealing.seal, row.began_us))
