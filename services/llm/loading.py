"""Providers, made once for each target with its settings."""

import asyncio
import threading
from collections.abc import Callable

from parlance import providers
from parlance.v1.control_pb2 import LlmTarget
from services.llm.keys import filled
from services.llm.model import Model
from services.llm.provider import Provider
from services.llm.providers import PROVIDERS


class Loading:
    """`secret` gives the value of a variable ("" where it is not set)."""

    def __init__(self, secret: Callable[[str], str]) -> None:
        self._secret = secret
        self._of_target: dict[bytes, Provider] = {}
        # By all that a provider is made with: a route that is set again goes on with its connections, and another key
        # is another provider.
        self._made: dict[tuple[str, ...], Provider] = {}
        # Providers are made in threads, and many may ask for one at once.
        self._lock = threading.Lock()

    async def provider(self, target: LlmTarget, model: Model | None) -> Provider:
        """A vendor's SDK takes a second to import. Raises InvalidRequest where it cannot be made; the message says what
        mends it."""
        made = self._of_target.get(_key(target))
        return made if made is not None else await asyncio.to_thread(self.make, target, model)

    def make(self, target: LlmTarget, model: Model | None) -> Provider:
        """With the keys and addresses as they are now."""
        provider, _, wire_name = target.target.partition(":")
        settings = filled(provider, {**(model.settings if model else {}), **target.settings}, self._secret)
        called = f"{provider}:{model.wire_name if model else wire_name}"
        key = (called, *(word for pair in sorted(settings.items()) for word in pair))
        with self._lock:
            if key not in self._made:
                self._made[key] = providers.load("llm", PROVIDERS, called, **settings)
            self._of_target[_key(target)] = self._made[key]
            return self._made[key]

    async def aclose(self) -> None:
        for provider in self._made.values():
            if (close := getattr(provider, "aclose", None)) is not None:
                await close()


def _key(target: LlmTarget) -> bytes:
    made = LlmTarget(target=target.target, settings=target.settings)
    return made.SerializeToString(deterministic=True)
