"""The seam to what understands: a text in, what was meant out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from parlance import providers
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import RouteSet
from services.intent.providers import PROVIDERS

CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Understanding:
    """`intent`: "timer.set"; "chat" is what the language model answers. `confidence`: 0 to 1. `found_by`: which part
    of the provider said so."""

    intent: str
    confidence: float
    slots: dict[str, str] = field(default_factory=dict)
    found_by: str = ""


class Understander(Protocol):
    """A provider. It is made as `Class(model, home=..., **settings)`, the settings being strings of its route, and
    loads what it needs then (so it is made in a thread, once)."""

    async def understand(self, text: str) -> Understanding:
        """The same text gives the same understanding. Raises parlance.errors only; does not block the event loop."""


@dataclass(frozen=True, slots=True)
class Routed:
    """An understander and the version of the route under which it answers."""

    provider: Understander
    route_version: str = ""


def open_route(route: RouteSet, home: Path) -> Routed:
    """Loads the provider that a route names; blocks for as long as its model takes (default: 0.5 s).

    Raises InvalidRequest where it cannot run here, with what to do."""
    settings = {"home": str(home), **route.settings}
    try:
        provider: Understander = providers.load("intent", PROVIDERS, route.target, **settings)
    except TypeError as exc:
        known = ", ".join(sorted(route.settings)) or "none"
        raise InvalidRequest(f"intent provider '{route.target}' does not take these settings: {known}") from exc
    return Routed(provider, route.version)
