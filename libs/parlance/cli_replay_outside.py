"""Where open questions would go from this machine."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from parlance.cli_ask import from_running
from parlance.egress import leaves
from parlance.route_table import CAPABILITIES, rules_of
from parlance.v1.gateway_service_pb2 import ExplainAnswerRequest
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, ExplainRequest, Role
from parlance.v1.turn_pb2 import TIER_DEVICE

# What people ask out loud; pictures and tools are no part of a load run.
_ASKED = ("chat", "web", "code", "summary")


async def outside(routes: Sequence[Any]) -> list[str]:
    """Of the routes in force: the addresses, or else the targets, to which a question might go."""
    llm = next(route for route in routes if route.stage == "llm")
    there = {target.target: _address(target) for rule in rules_of(llm) for target in rule.targets}
    found = {name: address for name, address in there.items() if leaves(address)}
    for kind in _ASKED:
        found |= {name: there.get(name, "") for name in await _beyond_this_device(kind)}
    return [address or name for name, address in found.items()]


async def _beyond_this_device(kind: str) -> list[str]:
    """The targets that a question of this kind may come to, and that are not on this machine."""
    question = AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text="?")], capability=CAPABILITIES[kind])
    request = ExplainAnswerRequest(explain=ExplainRequest(request=question))
    told = (await from_running("ExplainAnswer", request)).explained
    return [c.target for c in told.candidates if c.tier > TIER_DEVICE]


def _address(target: Any) -> str:
    return urlsplit(dict(target.settings).get("base_url", "")).netloc.rpartition("@")[2]
