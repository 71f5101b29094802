"""What whoever ends a turn from outside its handler must do first: settle its acts, cancel its asks."""

import asyncio
from typing import Any

from google.protobuf.message import Message

from parlance.errors import ParlanceError
from parlance.rpc import Call, Carrier, one
from parlance.v1.actions_service_pb2 import SettleRequest
from parlance.v1.llm_service_pb2 import CancelRequest
from parlance.v1.reply_pb2 import SettledCall, Settlement
from parlance.v1.state_pb2 import OpenTurn
from parlance.v1.turn_pb2 import Header
from services.dialogue.handling import Handling

_SETTLE_S = 1.0
_CANCEL_S = 0.25


async def _ask(carrier: Carrier, method: str, request: Message, header: Header, seconds: float) -> Any:
    """The answer, or None where the service is out of reach for `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout(seconds):
            return await one(carrier.ask(method, request, Call("", header, deadline)))
    except (ParlanceError, TimeoutError):
        return None


async def settle(carrier: Carrier, turn: OpenTurn, handling: Handling | None) -> list[SettledCall]:
    """How each act of the turn stands. What the handler was answered holds; the rest is asked for."""
    had = handling.settled if handling is not None else {}
    made = []
    for act in turn.acts:
        status = had.get(act.call_id) or act.settlement
        if not status:
            answer = await _ask(carrier, "Actions.Settle", SettleRequest(call_id=act.call_id), turn.header, _SETTLE_S)
            status = answer.settlement if answer is not None else Settlement.SETTLEMENT_UNSETTLED
        made.append(SettledCall(call_id=act.call_id, action=act.action, settlement=status))
    return made


async def cancel_asks(carrier: Carrier, turn: OpenTurn, handling: Handling | None) -> bool:
    """Cancels the language model's answers that are still open. False: what was taken of one is not on record."""
    taken = {a.call_id: a.chunks for a in handling.incomplete() if a.method == "Llm.Answer"} if handling else {}
    if handling is None and turn.speaking:
        taken = {turn.speaking: 1}
    known = True
    for call_id, chunks in taken.items():
        reply = await _ask(carrier, "Llm.Cancel", CancelRequest(call_id=call_id), turn.header, _CANCEL_S)
        if chunks and (reply is None or not reply.recorded):
            known = False
    return known
