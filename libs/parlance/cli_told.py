"""What the log tells of a turn that has just ended, for the command line."""

import asyncio
from typing import Any

from parlance.client import Client
from parlance.errors import Unavailable
from parlance.v1.gateway_service_pb2 import GetTurnRequest, GetTurnResponse, TurnSummary

_WITHIN_S = 15.0


async def told(client: Client, turn_id: str, ended: Any) -> Any:
    """A GetTurnResponse. Where the log cannot be read, only what was said of the turn's end; raises Unavailable where
    nothing was."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await client.ask("GetTurn", GetTurnRequest(turn_id=turn_id))
    except (Unavailable, TimeoutError):
        if ended is None:
            raise Unavailable("the event log cannot be read at present; 'parlance doctor' may know why") from None
        return GetTurnResponse(summary=TurnSummary(outcome=ended.outcome, reason=ended.reason))
