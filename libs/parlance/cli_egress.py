"""`parlance egress`: what was sent to language models, request by request, for a person to read."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from parlance.cli_ask import Json, console, from_running, print_json, run_async
from parlance.codes import code_of
from parlance.egress import leaves
from parlance.v1.gateway_service_pb2 import ListEgressRequest
from parlance.v1.turn_pb2 import Tier

# Of a catalogue's digest as many as tell two apart.
_DIGITS = 12
_MOST = 10_000
# Where a model runs, as a person would say it.
_TIERS = {
    "device": "on this machine",
    "house": "our own cloud",
    "private": "a private cloud",
    "partner": "a third party",
}


def egress(
    user: Annotated[str, typer.Option("--user", metavar="USER", help="What this user asked alone.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, max=36_500, help="So many days, today included.")] = 30,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=_MOST, help="How many, newest first.")] = 20,
    left: Annotated[
        bool, typer.Option("--left", help="Only what left this device: nothing that a server on it got.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What was sent to language models: when, to whom, which classes of data, under which rules. Never the data."""
    request = ListEgressRequest(user_id=user, days=days, limit=limit, left_device=left)
    found = run_async(from_running("ListEgress", request))
    if as_json:
        print_json(egress_json(found))
    else:
        console.print(egress_list(found, request))


def egress_json(found: Any) -> dict[str, Any]:
    return {"requests": [_entry_json(e) for e in found.entries], "more": found.more}


def _entry_json(entry: Any) -> dict[str, Any]:
    sent = entry.egress
    provider, _, model = sent.provider.partition(":")
    return {
        "at": _at(entry.at_us).isoformat(timespec="milliseconds"),
        "turn_id": entry.turn_id or None,
        "user": entry.user_id or None,
        "call_id": sent.call_id,
        "attempt": sent.attempt,
        "provider": provider,
        "model": model,
        "destination": sent.destination,
        "left_device": leaves(sent.destination, sent.tier),
        "tier": code_of(Tier, sent.tier) or None,
        "data_classes": list(sent.data_classes),
        "bytes_sent": sent.bytes_sent,
        "bytes_received": sent.bytes_received,
        "estimated": sent.estimated,
        "cut": sent.cut,
        "region": sent.region or None,
        "retention_days": sent.retention_days if sent.retention_days >= 0 else None,
        "rule": sent.rule or None,
        "route_version": sent.route_version or None,
        "policy_version": sent.policy_version or None,
    }


def _at(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC).astimezone()


def egress_list(found: Any, asked: ListEgressRequest) -> Any:
    """Four lines a request: when and to whom, what, how much and on what promise, under which rules."""
    since = "today" if asked.days == 1 else f"in the last {asked.days} days"
    count = len(found.entries)
    if not count:
        of = f"that {asked.user_id} asked " if asked.user_id else ""
        return Text(f"Nothing {of}{'left this device' if asked.left_device else 'was sent to a model'} {since}.")
    parts: list[Any] = [Text(f"{_head(found, asked, since)}\n", style="bold")]
    for entry in found.entries:
        parts += [_title(entry), Padding(_body(entry), (0, 0, 1, 2), expand=False)]
    if found.more:
        shows = f"--limit {min(_MOST, count * 5)} shows them" if count < _MOST else "fewer --days are listed whole"
        parts.append(Text(f"There are more: {shows}.", style="yellow"))
    return Group(*parts)


def _head(found: Any, asked: ListEgressRequest, since: str) -> str:
    count = len(found.entries)
    left = sum(leaves(e.egress.destination, e.egress.tier) for e in found.entries)
    requests = f"The newest {count:,} requests" if found.more else f"{count:,} request{'' if count == 1 else 's'}"
    if asked.user_id:
        requests += f" of {asked.user_id}"
    if left == count:
        return f"{requests} that left this device {since}"
    return f"{requests} {since}; {f'{left:,} of them' if left else 'nothing'} left this device"


def _title(entry: Any) -> Text:
    tier = code_of(Tier, entry.egress.tier)
    where = f"  {_TIERS.get(tier, tier)}" if tier else ""
    return Text.assemble(f"{_at(entry.at_us):%d %b %Y %H:%M:%S}  ", (entry.egress.provider, "bold"), where)


def _body(entry: Any) -> Text:
    sent = entry.egress
    what = f"{', '.join(sent.data_classes) or 'no class told'} to {sent.destination}"
    about = "about " if sent.estimated else ""
    bytes_ = f"{about}{sent.bytes_sent:,} bytes sent, {about}{sent.bytes_received:,} received"
    region = f"in {sent.region.replace(',', ' or ')}" if sent.region else "region not asked for"
    told = [f"{bytes_}{', then cut off' if sent.cut else ''}", region, _kept(sent.retention_days)]
    return Text.assemble(f"{what}\n{'; '.join(told)}\n", (_under(entry), "dim"))


def _kept(days: int) -> str:
    """As the vendor promises."""
    if days < 0:
        return "how long it is kept is not told"
    return f"kept {days} day{'' if days == 1 else 's'}" if days else "not kept"


def _under(entry: Any) -> str:
    sent = entry.egress
    kind, _, digest = sent.policy_version.rpartition(":")
    told = {
        "user": entry.user_id,
        "rule": sent.rule,
        "route": sent.route_version,
        "catalogue": f"{kind}:{digest[:_DIGITS]}" if kind else digest,
        "turn": entry.turn_id[:8],
    }
    return ", ".join(f"{name} {value}" for name, value in told.items() if value)
