"""Recognisers by route, loaded once each. A route is checked, and so loaded, before it is set."""

import asyncio

from parlance.ground import Ground
from parlance.v1.control_pb2 import RouteSet
from services.speech import provider as recognition


class Recognisers:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._loaded: dict[str, recognition.Routed] = {}

    def current(self) -> recognition.Routed:
        route = self._ground.routes.current("speech")
        found = self._loaded.get(_name(route)) or self.load_now(route)
        return recognition.Routed(found.provider, route.target, route.version)

    def load_now(self, route: RouteSet) -> recognition.Routed:
        """Blocks while the model loads."""
        made = self._loaded[_name(route)] = recognition.open_route(route, self._ground.config.home)
        return made

    async def load(self, route: RouteSet) -> None:
        await asyncio.to_thread(self.load_now, route)


def _name(route: RouteSet) -> str:
    return f"{route.target} {sorted(route.settings.items())}"
