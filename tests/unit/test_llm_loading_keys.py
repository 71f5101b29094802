"""Providers are made once for all that they are made with, however many ask at once."""

import asyncio
import time
from typing import Any

import pytest

from parlance.v1.control_pb2 import LlmTarget
from services.llm.loading import Loading
from services.llm.providers import PROVIDERS

TARGET = LlmTarget(target="slowly:m", settings={"api_key_env": "KEY"})


class Slowly:
    made: list["Slowly"] = []  # noqa: RUF012
    destination = ""

    def __init__(self, model: str, **settings: Any) -> None:
        time.sleep(0.05)
        self.settings, self.closed = settings, False
        self.made.append(self)

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROVIDERS, "slowly", f"{__name__}:Slowly")
    monkeypatch.setattr(Slowly, "made", [])
    monkeypatch.setattr("parlance.providers.importlib.import_module", lambda name: __import__("sys").modules[__name__])


async def test_many_who_ask_at_once_get_one_and_it_is_closed_at_the_end() -> None:
    loading = Loading(lambda name: "k")
    found = await asyncio.gather(*(loading.provider(TARGET, None) for _ in range(8)))
    assert len({id(provider) for provider in found}) == len(Slowly.made) == 1
    await loading.aclose()
    assert Slowly.made[0].closed


async def test_a_route_that_is_set_again_keeps_its_connections_and_a_new_key_is_used() -> None:
    keys = {"KEY": "old"}
    loading = Loading(keys.__getitem__)
    first = await loading.provider(TARGET, None)
    loading.make(TARGET, None)
    assert await loading.provider(TARGET, None) is first
    keys["KEY"] = "new"
    loading.make(TARGET, None)
    second: Any = await loading.provider(TARGET, None)
    assert second is not first and second.settings == {"api_key": "new"}
    await loading.aclose()
    assert all(provider.closed for provider in Slowly.made)
