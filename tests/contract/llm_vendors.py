"""The vendors of the suites over emulators: one line each."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parlance import providers
from services.llm.providers import PROVIDERS
from tests.contract.llm_upstreams import Upstream


@dataclass(frozen=True)
class Vendor:
    """`paths`: where an upstream has its API; one that is not named has none. `lacks`: cases that it cannot show, for
    its API, or the idea that the upstream (named before the case) has of it, has no such thing."""

    target: str
    paths: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.target.partition(":")[0]

    def has(self, upstream: Upstream, case: str) -> bool:
        if upstream.name not in self.paths or case not in upstream.cases:
            return False
        return not self.lacks & {case, f"{upstream.name}: {case}"}

    def base_url(self, upstream: Upstream) -> str:
        return upstream.url + self.paths[upstream.name]


VENDORS = (
    Vendor("anthropic:claude-haiku-5-5", {"aimock": "", "llmock": "/anthropic"}),
    Vendor("compatible:tiny", {"aimock": "/v1", "llmock": "/v1"}),
    Vendor(
        "openai:gpt-6-luna",
        {"aimock": "/v1", "llmock": "/v1"},
        # It ends every answer of Responses as a whole one.
        lacks=frozenset({"llmock: cut short", "llmock: refused"}),
    ),
    Vendor(
        "google:gemini-3.8-flash",
        {"aimock": "", "llmock": "/gemini"},
        {"api_version": "v1beta"},
        # Its arguments are an object, whole: there is nothing to tear.
        lacks=frozenset({"torn call"}),
    ),
)


@asynccontextmanager
async def connected(vendor: Vendor, upstream: Upstream) -> AsyncGenerator[Any, None]:
    settings = {"base_url": vendor.base_url(upstream), "api_key": "k", **vendor.settings}
    provider = providers.load("llm", PROVIDERS, vendor.target, **settings)
    try:
        yield provider
    finally:
        await provider.aclose()
