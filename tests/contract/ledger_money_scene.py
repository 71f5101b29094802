"""Attempts of language models as llm tells of them, for what they cost and what left."""

from dataclasses import dataclass, field
from typing import Any

from parlance.v1.llm_pb2 import EgressRecorded, LlmEvent, UsageRecorded
from parlance.v1.turn_pb2 import End, Tier
from tests.unit.ledger_scene import Log

HAIKU, LUNA, HOUSE = "anthropic:claude-haiku-5-5", "openai:gpt-6-luna", "compatible:house"


@dataclass
class Asked:
    """One attempt. `hours`: after the log's first moment. `to`: where it went, "" for a model in the process."""

    target: str = HAIKU
    user: str = "anna"
    rule: str = "chat"
    run: str = ""
    hours: float = 0
    to: str = "api.anthropic.com"
    tier: int = Tier.TIER_PARTNER
    used: dict[str, Any] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)


def tell(log: Log, *asked: Asked) -> None:
    base = log.now_us
    for n, one in enumerate(asked):
        header = log.header(n, one.run)
        header.user_id = one.user
        header.accepted_at_us = log.now_us = base + int(one.hours * 3_600_000_000)
        same = {
            "call_id": f"call-{one.run}{log.now_us}-{n}",
            "provider": one.target,
            "rule": one.rule,
            "tier": one.tier,
            "route_version": "v3",
        }
        told = {"began_at_us": log.now_us, "end": End.END_COMPLETE, "input_tokens": 100, "output_tokens": 10}
        log.tell(LlmEvent, header, UsageRecorded(**same, **(told | one.used)))
        if one.to:
            sent = {"destination": one.to, "bytes_sent": 1000, "bytes_received": 2000, "policy_version": "sha256:abc"}
            log.tell(LlmEvent, header, EgressRecorded(**same, **(sent | one.left)))
