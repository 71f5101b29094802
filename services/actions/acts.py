"""One call of Run: what was asked, and the rows and sentences that come of it."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parlance.errors import Internal, InvalidRequest, Unauthenticated
from parlance.events import to_bytes
from parlance.rpc import Call
from parlance.v1.actions_service_pb2 import RunRequest, RunResponse
from parlance.v1.reply_pb2 import Settlement
from parlance.v1.turn_pb2 import Card
from services.actions.domain import Action, Asked, Done, Effect
from services.actions.registry import ACTIONS
from services.actions.tables import CallRow

_LONGEST_TEXT = 1000
NOT_DONE = RunResponse(settlement=Settlement.SETTLEMENT_REFUSED, say="I did not do that.")
NOT_KNOWN = RunResponse(
    settlement=Settlement.SETTLEMENT_UNKNOWN, say="I cannot tell whether that was done: please check."
)


@dataclass(frozen=True, slots=True)
class Act:
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

    def row(self, response: RunResponse, began_us: int) -> CallRow:
        header, settlement = self.call.header, response.settlement
        told = to_bytes(response) if settlement != Settlement.SETTLEMENT_BEGUN else b""
        return CallRow(
            self.call.id, header.user_id, self.request.action, self.digest, settlement, header, began_us, told
        )

    def begun(self, began_us: int) -> CallRow:
        return self.row(RunResponse(settlement=Settlement.SETTLEMENT_BEGUN), began_us)


def check(call: Call, call_id: str) -> None:
    if not call_id:
        raise InvalidRequest("an act needs a call id: without one it could be done twice")
    if not call.header.user_id:
        raise Unauthenticated("an act needs a user: connect again")


def act_of(request: RunRequest, call: Call) -> Act:
    check(call, call.id)
    action = ACTIONS.get(request.action)
    if action is None:
        raise InvalidRequest(f"unknown action '{request.action[:40]}'; known: {', '.join(sorted(ACTIONS))}")
    digest = hashlib.sha256(to_bytes(request)).digest()
    slots = {slot.name: slot.value for slot in request.slots}
    asked = Asked(slots, request.text[:_LONGEST_TEXT], _now(request))
    return Act(call, request, digest, action, asked, asyncio.get_running_loop().time)


def _now(request: RunRequest) -> datetime:
    try:
        zone = ZoneInfo(request.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise InvalidRequest("unknown time zone: give an IANA name such as Europe/London") from exc
    return datetime.fromtimestamp(request.now_us / 1e6, zone)


def again(found: CallRow, act: Act) -> RunResponse:
    """What was recorded under this call id."""
    if found.user != act.call.header.user_id or (found.digest and found.digest != act.digest):
        raise Internal("the call id was used for another request")
    if found.response:
        return RunResponse.FromString(found.response)
    if found.settlement == Settlement.SETTLEMENT_REFUSED:
        return NOT_DONE
    return RunResponse(settlement=found.settlement, say="I cannot tell any more what came of that.")


def response_of(done: Done, effect: Effect) -> RunResponse:
    acted = done.acted or effect is Effect.READ
    made = RunResponse(
        settlement=Settlement.SETTLEMENT_DONE if acted else Settlement.SETTLEMENT_FAILED,
        say=done.say,
        summary=done.summary,
    )
    if done.lines:
        made.card.CopyFrom(Card(title=done.title, lines=done.lines))
    return made
