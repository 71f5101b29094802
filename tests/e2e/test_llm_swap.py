"""The vendor is swapped twenty times while two hundred conversations go on: no turn is lost, each is answered by a
target of the route that its record names, and the words that were heard are that vendor's."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parlance.bus_journal import JournalBus
from parlance.client import Client
from parlance.events import EVENT_CLASSES, TOPICS, kind, parse, topic_of
from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.gateway_service_pb2 import Hello, SetRouteRequest
from parlance.v1.reply_pb2 import OUTCOME_ANSWERED
from parlance.v1.turn_pb2 import TIER_PARTNER
from services.llm import router
from tests.e2e.conftest import Platform
from tests.e2e.conversation import conversation

TALKERS, SWAPS = 200, 20
# Three vendors, of two tiers.
VENDORS = {"acme": "partner", "bolt": "house", "cole": "partner"}
USER = "owner"


def words(vendor: str) -> str:
    return f"This is what {vendor} says to it, word for word, from its beginning to its end."


def catalogue(folder: Path) -> Path:
    free = {"since": "2020-01-01", "input": "1", "output": "5", "cache_read": "1", "cache_write": "1"}
    entries = {
        f"scripted:{vendor}": {"vendor": vendor, "tier": tier, "capabilities": ["chat"], "prices": [free]}
        | {"context_tokens": "100000", "max_output_tokens": "1000"}
        for vendor, tier in VENDORS.items()
    }
    file = folder / "catalogue.yaml"
    file.write_text(json.dumps({"models": entries}))
    return file


def target(folder: Path, vendor: str) -> LlmTarget:
    file = folder / f"{vendor}.json"
    answer = {"text": words(vendor)}
    file.write_text(json.dumps({"answers": [answer], "first_delay_s": 0.1, "chunk_delay_s": 0.03}))
    return LlmTarget(target=f"scripted:{vendor}", settings={"file": str(file)})


def tables(folder: Path) -> list[RouteSet]:
    """One vendor for all, or one for a share of the users and another one for the rest."""
    of = {vendor: target(folder, vendor) for vendor in VENDORS}
    chance, made = random.Random(7), list[RouteSet]()
    for n in range(SWAPS):
        first, then, _ = chance.sample(sorted(VENDORS), 3)
        rules = [LlmRule(name=f"all-{n}", targets=[of[first], of[then]], ceiling=TIER_PARTNER)]
        if n % 2:
            share = LlmRule(name=f"some-{n}", targets=[of[then]], share=50, ceiling=TIER_PARTNER)
            rules.insert(0, share)
        made.append(RouteSet(stage="llm", target=rules[-1].targets[0].target, rules=rules))
    return made


async def talk(address: str, n: int, heard: dict[str, str], swapped: asyncio.Event) -> None:
    """Until all swaps are done and a turn longer."""
    async with conversation(address, Hello(session_id=f"talk-{n}", mute=True)) as talking:
        turn, last = 0, False
        while not last:
            turn, last = turn + 1, swapped.is_set()
            turn_id = await talking.ask(f"why do people number their question {n} with a {turn}")
            (ended,) = await talking.until(lambda: talking.of("ended", turn_id))  # noqa: B023
            assert ended.outcome == OUTCOME_ANSWERED, str(ended)
            heard[turn_id] = " ".join(clause.text.strip() for clause in talking.of("clause", turn_id))


async def usages(home: Path) -> AsyncIterator[Any]:
    bus = JournalBus(home / "journal.db")
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    for partition in range(TOPICS["llm.v1"].partitions):
        for record in await bus.read("llm.v1", partition, 0, 100_000):
            if kind(event := parse(record.topic, record.value)) == "usage":
                yield event
    await bus.stop()


@pytest.mark.slow
async def test_vendors_are_swapped_while_two_hundred_conversations_go_on(own_platform: Platform) -> None:
    folder = own_platform.home.parent
    own_platform.extra["PARLANCE_CATALOGUE"] = str(catalogue(folder))
    own_platform.start()
    heard: dict[str, str] = {}
    versions: dict[str, RouteSet] = {}
    async with Client(own_platform.grpc_address) as client:

        async def set_route(table: RouteSet) -> None:
            made = (await client.ask("SetRoute", SetRouteRequest(route=table))).route
            versions[made.version] = made

        first, *others = tables(folder)
        await set_route(first)
        async with asyncio.TaskGroup() as group:
            swapped = asyncio.Event()
            for n in range(TALKERS):
                group.create_task(talk(own_platform.grpc_address, n, heard, swapped))
            for table in others:
                await asyncio.sleep(0.15)
                await set_route(table)
            swapped.set()
    assert own_platform.end() == 0
    assert len(heard) >= TALKERS * 2
    told = {event.header.turn_id: event.usage async for event in usages(own_platform.home)}
    assert told.keys() == heard.keys()
    for turn_id, usage in told.items():
        route = versions[usage.route_version]
        vendor = usage.provider.removeprefix("scripted:")
        assert (usage.rule, usage.provider) == expected(route), str(usage)
        assert heard[turn_id] == words(vendor)
    assert len({usage.route_version for usage in told.values()}) > SWAPS / 2
    assert {usage.provider for usage in told.values()} == {f"scripted:{vendor}" for vendor in VENDORS}


def expected(route: RouteSet) -> tuple[str, str]:
    """The rule and the target that come first for this user."""
    rule = next(rule for rule in router.rules_of(route) if router.in_share(rule, USER))
    return rule.name, rule.targets[0].target
