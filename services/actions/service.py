"""Actions: does one act per call id, once, and tells the truth about it.

A local act, its row and its event are one transaction; the first writer of a call's row wins. An act that reaches
outside is noted as begun before anything leaves; what is found begun after a restart is unknown, and never run again.
A run that is not live acts on a store of its own (runs.py) by the same rules; its events carry the run.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parlance import clock
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, Refused, Unauthenticated
from parlance.events import to_bytes
from parlance.outgoing import record_of
from parlance.privacy import Sealing
from parlance.rpc import Call
from parlance.store import Store
from parlance.v1.actions_service_pb2 import RunRequest, RunResponse, SettleRequest, SettleResponse
from parlance.v1.reply_pb2 import Settlement
from parlance.v1.turn_pb2 import Card, Header
from services.actions import tables
from services.actions.domain import Action, Asked, Done, Effect
from services.actions.recording import effect_event
from services.actions.registry import ACTIONS
from services.actions.runs import Runs
from services.actions.tables import CallRow, Calls, UserRows
from services.actions.ticker import Ticker

T = TypeVar("T")

_KEPT_US = 30 * 86_400_000_000
_LONGEST_TEXT = 1000
_NOT_DONE = RunResponse(settlement=Settlement.SETTLEMENT_REFUSED, say="I did not do that.")


@dataclass(frozen=True, slots=True)
class _Act:
    """One call of Run, ready to be done."""

    call: Call
    request: RunRequest
    digest: bytes
    action: Action
    asked: Asked
    loop_time: Callable[[], float]

    @property
    def overdue(self) -> bool:
        return self.loop_time() > self.call.deadline


class ActionsService:
    """`ticker` is told of every timer that was set or cancelled; its owner runs `ticker.run()`."""

    def __init__(self, store: Store, sealing: Sealing, ticker: Ticker) -> None:
        self._store = store
        self._sealing = sealing
        self._ticker = ticker
        self._runs = Runs()

    async def start(self) -> None:
        """Makes the tables; calls that were begun when the process died become unknown."""
        await self._store.transact(self._recover)

    async def run(self, request: RunRequest, call: Call) -> AsyncGenerator[RunResponse, None]:
        act = _act(request, call)
        if act.action.effect is Effect.EXTERNAL and call.header.run:
            raise Refused("a run that is not live never reaches outside")
        if act.action.effect is Effect.EXTERNAL:
            raise Refused("actions that reach outside need a confirmation, which this version cannot ask for")
        ready = act.action.answer(act.asked) if act.action.answer is not None else None
        yield await self._transact(lambda tx: self._do(tx, act, ready))

    async def settle(self, request: SettleRequest, call: Call) -> AsyncGenerator[SettleResponse, None]:
        """How a call stands. One that has not begun by now never will."""
        _check(call, request.call_id)
        yield await self._transact(lambda tx: self._settle(tx, request.call_id, call))

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
        calls = Calls(tx.db, self._sealing)
        calls.forget_before(clock.now_us() - _KEPT_US)
        for row in calls.begun():
            self._record(tx, replace(row, settlement=Settlement.SETTLEMENT_UNKNOWN))

    def _do(self, tx: Any, act: _Act, ready: Done | None) -> RunResponse:
        db = self._db(tx, act.call.header)
        found = Calls(db, self._sealing).find(act.call.id)
        if found is not None:
            return _again(found, act)
        if act.overdue:
            raise DeadlineExceeded("the turn's time was over before the act began; it was not done")
        began_us = clock.now_us()
        if ready is None:
            assert act.action.act is not None
            ready = act.action.act(act.asked, UserRows(db, self._sealing, act.call.id, act.call.header))
        response = _response(ready, act.action.effect)
        self._record(tx, _row(act, response, began_us))
        return response

    def _settle(self, tx: Any, call_id: str, call: Call) -> SettleResponse:
        found = Calls(self._db(tx, call.header), self._sealing).find(call_id)
        if found is None:
            refused = Settlement.SETTLEMENT_REFUSED
            said = to_bytes(_NOT_DONE)  # what whoever runs the call after all is told: on record like any answer
            row = CallRow(call_id, call.header.user_id, "", b"", refused, call.header, clock.now_us(), said)
            self._record(tx, row)
            return SettleResponse(settlement=refused)
        if found.user != call.header.user_id:
            raise Internal("the call belongs to another user")
        if found.settlement == Settlement.SETTLEMENT_BEGUN:
            return SettleResponse(settlement=Settlement.SETTLEMENT_UNKNOWN)
        summary = RunResponse.FromString(found.response).summary
        return SettleResponse(settlement=found.settlement, summary=summary)

    def _record(self, tx: Any, row: CallRow) -> None:
        """The row and the event that tells of it, in the transaction of the act."""
        Calls(self._db(tx, row.header), self._sealing).save(row)
        tx.append(record_of(effect_event(row), self._sealing.seal, row.began_us))

    def _db(self, tx: Any, header: Header) -> Any:
        """What this call reads and writes."""
        return self._runs.store(header.run) if header.run else tx.db


def _check(call: Call, call_id: str) -> None:
    if not call_id:
        raise InvalidRequest("an act needs a call id: without one it could be done twice")
    if not call.header.user_id:
        raise Unauthenticated("an act needs a user: connect again")


def _act(request: RunRequest, call: Call) -> _Act:
    _check(call, call.id)
    action = ACTIONS.get(request.action)
    if action is None:
        raise InvalidRequest(f"unknown action '{request.action[:40]}'; known: {', '.join(sorted(ACTIONS))}")
    digest = hashlib.sha256(to_bytes(request)).digest()
    slots = {slot.name: slot.value for slot in request.slots}
    asked = Asked(slots, request.text[:_LONGEST_TEXT], _now(request))
    return _Act(call, request, digest, action, asked, asyncio.get_running_loop().time)


def _now(request: RunRequest) -> datetime:
    try:
        zone = ZoneInfo(request.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise InvalidRequest("unknown time zone: give an IANA name such as Europe/London") from exc
    return datetime.fromtimestamp(request.now_us / 1e6, zone)


def _again(found: CallRow, act: _Act) -> RunResponse:
    """What was recorded under this call id."""
    if found.user != act.call.header.user_id or (found.digest and found.digest != act.digest):
        raise Internal("the call id was used for another request")
    if found.response:
        return RunResponse.FromString(found.response)
    if found.settlement == Settlement.SETTLEMENT_REFUSED:
        return _NOT_DONE
    return RunResponse(settlement=found.settlement, say="I cannot tell any more what came of that.")


def _response(done: Done, effect: Effect) -> RunResponse:
    acted = done.acted or effect is Effect.READ
    made = RunResponse(
        settlement=Settlement.SETTLEMENT_DONE if acted else Settlement.SETTLEMENT_FAILED,
        say=done.say,
        summary=done.summary,
    )
    if done.lines:
        made.card.CopyFrom(Card(title=done.title, lines=done.lines))
    return made


def _row(act: _Act, response: RunResponse, began_us: int) -> CallRow:
    header = act.call.header
    settlement = response.settlement
    return CallRow(
        act.call.id, header.user_id, act.request.action, act.digest, settlement, header, began_us, to_bytes(response)
    )
