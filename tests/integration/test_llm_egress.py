"""The record of what leaves is complete: everything that llm sends goes through a proxy outside it that counts bytes,
and what it counted and what the record says agree."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from parlance.errors import ParlanceError
from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.turn_pb2 import TIER_PARTNER
from services.llm.attempt import Limits
from services.llm.breaker import Breaker
from tests.contract import llm_upstreams
from tests.contract.llm_vendors import VENDORS, Vendor
from tests.integration.egress_tools import counting, disagreements, started
from tests.unit.llm_desk import Desk, call, question, targets

TURNS, VENDORS_TURNS = 1000, 150
FAULTS = ("429:0.06", "500:0.05", "cut:0.08", "stall:0.03")
CASES = ("plain", "tools", "thinking", "busy", "overloaded", "broken", "truncated", "disconnected", "hung up")


def desk_of(target: LlmTarget) -> Desk:
    """No target is left alone after failures: each question is to leave."""
    breaker = Breaker(lambda: 0.0, failures=10**9)
    limits = Limits(first_s=1, next_s=1)
    return Desk(targets(target, ceiling=TIER_PARTNER), limits, {"VENDOR_KEY": "k"}, breaker=breaker)


async def ask(desk: Desk, n: int, words: str, chance: random.Random) -> None:
    """Some are taken back in the middle."""
    stop_after = chance.randint(1, 8) if chance.random() < 0.1 else 10**6
    with suppress(ParlanceError):
        async with aclosing(desk.service.answer(question(words), call(f"c{n}"))) as parts:
            async for _ in parts:
                stop_after -= 1
                if not stop_after:
                    await desk.service.answers.cancel(f"c{n}")


async def ask_all(desk: Desk, turns: int, words: Callable[[int], str], at_once: int) -> None:
    chance, numbers = random.Random(20), iter(range(turns))

    async def talker() -> None:
        for n in numbers:
            await ask(desk, n, words(n), chance)

    async with desk.service, asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(talker())


def told_by(desk: Desk, turns: int) -> dict[int, object]:
    """One record for each question, but for a few that were taken back before anything had left."""
    told = {int(record.call_id.removeprefix("c")): record for record in desk.of("egress")}
    assert len(told) == len(desk.of("egress"))
    assert turns * 0.9 < len(told) <= turns == len(desk.of("usage"))
    return told


@pytest.mark.slow
async def test_what_a_proxy_outside_counts_is_what_the_record_says() -> None:
    chance = random.Random(3)
    delays = ("--first-delay-s", "0.002", "--chunk-delay-s", "0.001", "--slots", "64")
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    async with started("infra.emulators.model", "--port", "0", *delays, *faults) as model:
        assert model.stdout is not None
        port = (await model.stdout.readline()).decode().split("127.0.0.1:")[1].split("/")[0]
        async with counting(int(port)) as proxy:
            at = f"http://127.0.0.1:{proxy.port}/v1"
            desk = desk_of(LlmTarget(target="compatible:emulated", settings={"base_url": at}))
            await ask_all(desk, TURNS, lambda n: f"question-{n} " + "why is that so? " * chance.randint(1, 40), 20)
            seen = await proxy.seen()
    told = told_by(desk, TURNS)
    assert told.keys() == seen.keys()
    wrong = disagreements(told, seen)
    assert not wrong, f"{len(wrong)} of {TURNS}, such as {wrong[:3]}"
    cut = sum(record.cut for record in desk.of("egress"))
    assert 50 < cut < TURNS / 2 and {200, 429, 500} <= {exchange["status"] for exchange in seen.values()}


@pytest.mark.node
@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
async def test_it_agrees_for_every_vendor(vendor: Vendor, tmp_path: Path) -> None:
    if "aimock" not in vendor.paths:
        pytest.skip("aimock does not speak its protocol")
    if why := llm_upstreams.missing("aimock"):
        pytest.skip(why)
    cases = [case for case in CASES if case not in vendor.lacks]
    with llm_upstreams.serving("aimock", tmp_path) as upstream:
        async with counting(int(upstream.url.rpartition(":")[2])) as proxy:
            at = f"http://127.0.0.1:{proxy.port}{vendor.paths['aimock']}"
            settings = {"base_url": at, "api_key_env": "VENDOR_KEY", **vendor.settings}
            desk = desk_of(LlmTarget(target=vendor.target, settings=settings))
            words = lambda n: f"{cases[n % len(cases)]}, please. question-{n}"  # noqa: E731
            await ask_all(desk, VENDORS_TURNS, words, 6)
            seen = await proxy.seen()
    told = told_by(desk, VENDORS_TURNS)
    assert told.keys() == seen.keys()
    wrong = disagreements(told, seen)
    assert not wrong, f"{len(wrong)} of {VENDORS_TURNS}, such as {wrong[:3]}"
    assert {200, 429, 500} <= {exchange["status"] for exchange in seen.values()}
