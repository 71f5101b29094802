"""Providers are made once, before they are needed, and one that cannot be had stands in nobody's way."""

import asyncio
import time
from pathlib import Path

import pytest

from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import LlmTarget
from services.llm import loading
from services.llm.loading import Loading
from tests.unit.llm_desk import Desk, scripted, targets

ECHO = LlmTarget(target="scripted:echo")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was loaded, each after a while."""
    load, names = loading.providers.load, list[str]()

    def slow(stage: str, known: dict[str, str], name: str, **settings: str) -> object:
        names.append(name)
        time.sleep(0.02)  # in a thread of its own, as an import is
        return load(stage, known, name, **settings)

    monkeypatch.setattr(loading.providers, "load", slow)
    return names


async def test_questions_that_come_at_once_share_one_provider(made: list[str]) -> None:
    providers = Loading(lambda name: "")
    first, second = await asyncio.gather(*(providers.provider(ECHO, None) for _ in range(2)))
    assert first is second is await providers.provider(ECHO, None)
    assert made == ["scripted:echo"]


async def test_who_goes_away_while_it_is_made_takes_it_from_nobody(made: list[str]) -> None:
    providers = Loading(lambda name: "")
    async with asyncio.TaskGroup() as group:
        goes = group.create_task(providers.provider(ECHO, None))
        stays = group.create_task(providers.provider(ECHO, None))
        await asyncio.sleep(0)
        goes.cancel()
    assert stays.result() is await providers.provider(ECHO, None)
    assert goes.cancelled() and made == ["scripted:echo"]


async def test_one_that_could_not_be_made_is_tried_again(made: list[str]) -> None:
    providers, nowhere = Loading(lambda name: ""), LlmTarget(target="compatible:")
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            await providers.provider(nowhere, None)
    assert made == ["compatible:", "compatible:"]


async def test_all_whom_the_route_may_ask_are_loaded_before_the_first_question(made: list[str], tmp_path: Path) -> None:
    a, b = scripted(tmp_path, "a", answers=[{"text": "hi"}]), scripted(tmp_path, "b", answers=[{"text": "ho"}])
    desk = Desk(targets(LlmTarget(target="compatible:"), a, b))
    async with desk.service:
        await desk.service.warm()
        assert made == ["compatible:", "scripted:a", "scripted:b"]
        desk.route = targets(a, b)
        assert await desk.text() == "hi"
        assert len(made) == 3
