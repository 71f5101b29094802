"""Actions: does one act per call id, once, and tells the truth about it.

A local act, its row and its event are one transaction; the first writer of a call's row wins. An act that reaches
outside is noted as begun before anything leaves (outside.py); whose end nobody can tell is unknown, and never run
again. A run that is not live acts on a store of its own (runs.py) by the same rules; its events carry the run.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from parlance import clock
from parlance.errors import DeadlineExceeded, Internal
from parlance.events import to_bytes
from parlance.outgoing import record_of
from parlance.privacy import Sealing
from parlance.rpc import Call
from parlance.store import Store
from parlance.v1.actions_service_pb2 import RunRequest, RunResponse, SettleRequest, SettleResponse
from parlance.v1.reply_pb2 import Settlement
from parlance.v1.turn_pb2 import Header
from services.actions import tables
from services.actions.acts import NOT_DONE, Act, act_of, again, check, response_of
from services.actions.domain import Done, Effect
from services.actions.outside import SETTLE_S, Outside, expire
from services.actions.recording import effect_event
from services.actions.runs import Runs
from services.actions.tables import CallRow, Calls, UserRows
from services.actions.ticker import Ticker

T = TypeVar("T")

_KEPT_US = 30 * 86_400_000_000


class ActionsService:
    """`ticker` is told of every timer that was set or cancelled; its owner runs `ticker.run()`."""

    def __init__(self, store: Store, sealing: Sealing, ticker: Ticker) -> None:
        self._store = store
        self._sealing = sealing
        self._ticker = ticker
        self._runs = Runs()
        self._outside = Outside(store, sealing, self._transact)

    async def start(self) -> None:
        """Makes the tables; calls that were begun and at which nobody is any more become unknown."""
        await self._store.transact(self._recover)

    async def run(self, request: RunRequest, call: Call) -> AsyncGenerator[RunResponse, None]:
        act = act_of(request, call)
        if act.action.effect is Effect.EXTERNAL:
            yield await self._outside.run(act)
            return
        ready = act.action.answer(act.asked) if act.action.answer is not None else None
        yield await self._transact(lambda tx: self._do(tx, act, ready))

    async def settle(self, request: SettleRequest, call: Call) -> AsyncGenerator[SettleResponse, None]:
        """How a call stands. One that has not begun by now never will; one that is begun is waited for a second."""
        check(call, request.call_id)
        settled = await self._transact(lambda tx: self._settle(tx, request.call_id, call))
        if settled.settlement == Settlement.SETTLEMENT_BEGUN:
            found = await self._outside.settled(request.call_id, SETTLE_S)
            settled = _told(found) if found is not None else settled
        if settled.settlement == Settlement.SETTLEMENT_BEGUN:
            settled = SettleResponse(settlement=Settlement.SETTLEMENT_UNKNOWN)
        yield settled

    async def _transact(self, work: Callable[[Any], T]) -> T:
        """Committed even where the asker leaves meanwhile: then, too, the ticker must hear of it."""
        committed = self._store.transact(work)
        committed.add_done_callback(self._committed)
        return await asyncio.shield(committed)

    def _committed(self, done: "asyncio.Future[Any]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._ticker.wake()

    def _recover(self, tx: Any) -> None:
        for statement in tables.SCHEMA:
            tx.db.execute(statement)
        Calls(tx.db, self._sealing).forget_before(clock.now_us() - _KEPT_US)
        expire(tx, self._sealing, all_of_them=not self._store.shared)

    def _do(self, tx: Any, act: Act, ready: Done | None) -> RunResponse:
        db = self._db(tx, act.call.header)
        calls = Calls(db, self._sealing)
        found = calls.find(act.call.id)
        if found is not None:
            return again(found, act)
        if act.overdue:
            raise DeadlineExceeded("the turn's time was over before the act began; it was not done")
        began_us = clock.now_us()
        if not calls.claim(act.begun(began_us)):  # another process did it at this moment
            found = calls.find(act.call.id)
            assert found is not None
            return again(found, act)
        if ready is None:
            assert act.action.act is not None
            ready = act.action.act(act.asked, UserRows(db, self._sealing, act.call.id, act.call.header))
        response = response_of(ready, act.action.effect)
        row = act.row(response, began_us)
        calls.end(row)
        self._tell(tx, row)
        return response

    def _settle(self, tx: Any, call_id: str, call: Call) -> SettleResponse:
        calls = Calls(self._db(tx, call.header), self._sealing)
        refused = Settlement.SETTLEMENT_REFUSED
        said = to_bytes(NOT_DONE)  # what whoever runs the call after all is told: on record like any answer
        row = CallRow(call_id, call.header.user_id, "", b"", refused, call.header, clock.now_us(), said)
        if calls.claim(row):
            self._tell(tx, row)
            return SettleResponse(settlement=refused)
        if not call.header.run:
            expire(tx, self._sealing)
        found = calls.find(call_id)
        assert found is not None
        if found.user != call.header.user_id:
            raise Internal("the call belongs to another user")
        return _told(found)

    def _tell(self, tx: Any, row: CallRow) -> None:
        """The event that tells of a call, in the transaction of its row."""
        tx.append(record_of(effect_event(row), self._sealing.seal, row.began_us))

    def _db(self, tx: Any, header: Header) -> Any:
        """What this call reads and writes."""
        return self._runs.store(header.run) if header.run else tx.db


def _told(found: CallRow) -> SettleResponse:
    summary = RunResponse.FromString(found.response).summary
    return SettleResponse(settlement=found.settlement, summary=summary)
