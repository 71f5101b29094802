"""The seam to speech-to-text vendors."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parlance import providers
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import RouteSet
from services.speech.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Interim:
    """What it sounds like so far; each replaces the one before."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """Empty text: no words were heard. `confidence`: 0 to 1, exp of the mean token log-probability."""

    text: str
    confidence: float = 1.0


class Recogniser(Protocol):
    """A provider. It is made as `Class(model, home=..., **settings)`, the settings being strings of its route, and
    loads what it needs then (so it is made in a thread, once)."""

    def transcribe(self, pcm: NDArray[np.int16]) -> AsyncGenerator[Interim | Final, None]:
        """The words of one utterance (16 kHz mono): any number of interims, then exactly one final.

        Raises parlance.errors only. Does not block the event loop."""


@dataclass(frozen=True, slots=True)
class Routed:
    """A recogniser and the route under which it answers."""

    provider: Recogniser
    # "whisper:tiny.en"
    target: str
    route_version: str


def open_route(route: RouteSet, home: Path) -> Routed:
    """Loads the provider that a route names; blocks for as long as its model takes (Whisper: 0.5 s).

    Raises InvalidRequest where it cannot run here, with what to do."""
    settings = {"home": str(home), **route.settings}
    try:
        provider: Recogniser = providers.load("speech", PROVIDERS, route.target, **settings)
    except TypeError as exc:
        known = ", ".join(sorted(route.settings)) or "none"
        raise InvalidRequest(f"speech provider '{route.target}' does not take these settings: {known}") from exc
    return Routed(provider, route.target, route.version)
