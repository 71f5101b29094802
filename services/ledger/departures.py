"""What was sent to language models, request by request: classes of data and sizes, never the data."""

from collections.abc import Sequence
from typing import Any

from parlance.egress import leaves
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import EgressEntry, ListEgressRequest, ListEgressResponse
from parlance.v1.llm_pb2 import EgressRecorded
from parlance.v1.turn_pb2 import TIER_DEVICE, Tier
from services.ledger.stats import OF
from services.ledger.tables import Query

_LISTED, _MOST = 20, 10_000
_DESTINATIONS = f"SELECT DISTINCT destination FROM ledger_call WHERE {OF} AND destination IS NOT NULL"
# As parlance.egress has it: where its first hop is on this device, the tier says whether it left.
BEYOND = f"COALESCE(tier, 0) > {TIER_DEVICE}"
_AT = "COALESCE(began_at_us, left_at_us, 0)"
_NAMES = (
    *("call_id", "attempt", "provider", "destination", "bytes_sent", "bytes_received", "route_version", "rule", "tier"),
    *("policy_version", "region"),
)
_NOT_TOLD = -1


def departures(query: Query, asked: ListEgressRequest, since: str) -> ListEgressResponse:
    """The newest first, from the day `since` on. Raises InvalidRequest for a limit that makes no sense."""
    if not 0 <= asked.limit <= _MOST:
        raise InvalidRequest(f"1 to {_MOST} requests can be listed at once, not {asked.limit}")
    limit = asked.limit or _LISTED
    wanted, parameters = [OF, "destination IS NOT NULL"], [asked.run, since]
    if asked.user_id:
        wanted.append("user_id = ?")
        parameters.append(asked.user_id)
    if asked.left_device:
        away = [name for (name,) in query(_DESTINATIONS, (asked.run, since)) if leaves(name)]
        wanted.append(f"({BEYOND} OR destination IN ({', '.join('?' * len(away))}))" if away else BEYOND)
        parameters += away
    found = query(_sql(wanted), (*parameters, limit + 1))
    return ListEgressResponse(entries=[_entry(row) for row in found[:limit]], more=len(found) > limit)


def _sql(wanted: Sequence[str]) -> str:
    return f"""
SELECT {_AT}, turn_id, user_id, data_classes, retention_days, cut, bytes_estimated, {", ".join(_NAMES)}
FROM ledger_call WHERE {" AND ".join(wanted)}
ORDER BY {_AT} DESC, call_id DESC, attempt DESC LIMIT ?"""


def _entry(row: Sequence[Any]) -> EgressEntry:
    at_us, turn_id, user, classes, days, cut, estimated, *others = row
    told = {name: value for name, value in zip(_NAMES, others, strict=True) if value is not None}
    if told.get("tier", 0) not in Tier.values():
        del told["tier"]
    sent = EgressRecorded(**told, cut=bool(cut), estimated=bool(estimated))
    sent.data_classes.extend(classes.split(",") if classes else ())
    sent.retention_days = _NOT_TOLD if days is None else min(days, 2**31 - 1)
    return EgressEntry(at_us=at_us, turn_id=turn_id or "", user_id=user or "", egress=sent)
