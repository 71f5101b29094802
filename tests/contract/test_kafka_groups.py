"""Partitions that change hands: nobody whose partitions stay is stopped, nothing is lost, no late commit counts."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parlance.bus import Bus
from tests.contract.bus_suite_tools import Collector, opened, until
from tests.contract.kafka_group import GROUP, Group, to_all
from tests.contract.kafka_tools import create, fresh
from tests.kafka_broker import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_client")]


@pytest.fixture
async def group(kafka_url: str) -> AsyncIterator[Group]:
    topics = fresh()
    await create(kafka_url, *topics)
    made = Group(kafka_url, topics)
    yield made
    for member in list(made.members):
        await made.leave(member)


async def test_members_share_partitions_and_the_same_numbers_of_all_topics(group: Group) -> None:
    one, two = await group.join(), await group.join()
    await group.shared(2, 2)
    for topic in group.topics:
        assert one.holds(topic.name) == one.holds(group.topics[0].name)
        assert one.holds(topic.name).isdisjoint(two.holds(topic.name))
    one.bus.append(to_all(group.topics, b"a"))
    await one.got.until(4)
    await two.got.until(4)
    assert {r.partition for r in one.got.records}.isdisjoint({r.partition for r in two.got.records})
    assert one.bus.failed == two.bus.failed == ""


async def test_work_in_hand_outlives_a_rebalance_where_its_partition_stays(group: Group) -> None:
    """Nothing of it is delivered again, its ownership stays, its commit counts."""
    one = await group.join()
    one.bus.append(to_all(group.topics, b"in hand"))
    await one.got.until(8)
    before = {(t.name, p): one.sub.ownership(t.name, p) for t in group.topics for p in range(4)}
    two = await group.join()
    await group.shared(2, 2)
    kept = one.holds(group.topics[0].name)
    assert kept
    one.bus.append(to_all(group.topics, b"later"))
    await until(lambda: sum(r.value == b"later" for r in one.got.records) == 4)
    await two.got.until(8)
    mine = [r for r in one.got.records if r.partition in kept]
    assert [r.value for r in mine].count(b"in hand") == [r.value for r in mine].count(b"later") == 4
    assert {p: before[p] for p in before if p[1] in kept} == {p: one.sub.ownership(*p) for p in before if p[1] in kept}
    one.commit([r for r in mine if r.value == b"in hand"])
    await _until_committed(group, {(t.name, p): 1 for t in group.topics for p in kept})


async def test_whoever_is_given_what_another_member_had_is_told(group: Group) -> None:
    """And nobody whose partitions stay."""
    one, two = await group.join(), await group.join()
    await group.shared(2, 2)
    told: list[str] = []
    one.sub.when_given(lambda: told.append("one"))
    two.sub.when_given(lambda: told.append("two"))
    three = await group.join()
    await until(lambda: bool(three.holds(group.topics[0].name)))
    told_then = list(told)
    before = one.holds(group.topics[0].name), two.holds(group.topics[0].name)
    await group.leave(three)
    await group.shared(2, 2)
    gained = (one.holds(group.topics[0].name) - before[0], two.holds(group.topics[0].name) - before[1])
    now = told[len(told_then) :]
    assert ("one" in now, "two" in now) == (bool(gained[0]), bool(gained[1])) and any(gained)


async def test_a_late_commit_of_what_another_member_has_now_is_dropped(group: Group) -> None:
    one = await group.join()
    one.bus.append(to_all(group.topics, b"in hand"))
    await one.got.until(8)
    two = await group.join()
    await group.shared(2, 2)
    lost = two.holds(group.topics[0].name)
    one.commit(one.got.records)
    await _until_committed(group, {(t.name, p): 1 for t in group.topics for p in set(range(4)) - lost})
    await two.got.until(4)
    assert {r.partition for r in two.got.records} == lost, "delivered again to who has it now"
    committed = await group.committed()
    assert not [at for at in committed if at[1] in lost and committed[at] > 0]


async def test_a_partition_that_comes_back_is_owned_anew_and_begins_at_its_commit(group: Group) -> None:
    one = await group.join()
    one.bus.append(to_all(group.topics, b"in hand"))
    await one.got.until(8)
    two = await group.join()
    await group.shared(2, 2)
    lost = two.holds(group.topics[0].name)
    await two.got.until(4)
    first = list(one.got.records)
    await group.leave(two)
    await group.shared(4)
    await until(lambda: len(one.got.records) == 12)
    again = one.got.records[8:]
    assert {(r.topic, r.partition) for r in again} == {(t.name, p) for t in group.topics for p in lost}
    for r in first:
        old = one.under[r.topic, r.partition, r.offset] if r.partition not in lost else 1
        one.sub.commit(r.topic, r.partition, r.offset + 1, old)
    kept = set(range(4)) - lost
    await _until_committed(group, {(t.name, p): 1 for t in group.topics for p in kept})
    committed = await group.committed()
    assert not [at for at in committed if at[1] in lost and committed[at] > 0]
    one.commit(again)
    await _until_committed(group, {(t.name, p): 1 for t in group.topics for p in range(4)})


async def test_commits_during_rebalances_lose_and_skip_nothing(group: Group) -> None:
    """Members come and go while records flow and each is committed as soon as it came: every record arrives, in order
    per partition but for what is delivered again, and what the broker has noted at the end is the end."""
    one = await group.join(commits=True)
    everyone = [one]

    async def flow() -> None:
        for n in range(200):
            one.bus.append(to_all(group.topics, b"%d" % n))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flow())
        for _ in range(3):
            everyone.append(await group.join(commits=True))
            await asyncio.sleep(0.3)
            await group.leave(everyone[-1])
    everywhere = {(t.name, p) for t in group.topics for p in range(4)}
    await _until_committed(group, dict.fromkeys(everywhere, 200))
    seen = [(r.topic, r.partition, r.offset) for member in everyone for r in member.got.records]
    assert set(seen) == {(*at, offset) for at in everywhere for offset in range(200)}
    print(f"{len(seen) - 1600} of 1600 were delivered again")


async def test_a_member_that_wakes_up_after_it_was_replaced_changes_nothing(group: Group) -> None:
    """A frozen process: its partitions go to another within the session timeout, and its late commits are refused."""
    names = [t.name for t in group.topics]
    frozen = await asyncio.to_thread(_process, group, names)
    try:
        assert await asyncio.to_thread(_lines_until, frozen, "ready") == []
        async with opened(lambda: _plain_bus(group.url), group.topics) as bus:
            bus.append(to_all(group.topics, b"in hand"))
            await bus.flush()
        for _ in range(8):
            await asyncio.to_thread(frozen.stdout.readline)
        os.kill(frozen.pid, signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        began = loop.time()
        heir = await group.join()
        await heir.got.until(8)
        took = loop.time() - began
        assert took <= 8.0, "session timeout 6 s + 1 s, and joining"
        os.kill(frozen.pid, signal.SIGCONT)
        frozen.stdin.write("commit\n")
        frozen.stdin.flush()
        await asyncio.to_thread(_lines_until, frozen, "committed")
        committed = await group.committed()
        assert not [at for at in committed if committed[at] > 0]
        print(f"taken over after {took:.1f} s")
    finally:
        frozen.kill()
        frozen.wait()
        frozen.stdin.close()
        frozen.stdout.close()


async def test_the_members_that_are_left_take_over_from_a_frozen_one_within_its_session_timeout_and_a_second(
    group: Group,
) -> None:
    names = [t.name for t in group.topics]
    left = await group.join()
    frozen = await asyncio.to_thread(_process, group, names)
    try:
        await asyncio.to_thread(_lines_until, frozen, "ready")
        await group.shared(2)
        os.kill(frozen.pid, signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        began = loop.time()
        left.bus.append(to_all(group.topics, b"for both"))
        await left.got.until(8)
        took = loop.time() - began
        assert took <= 7.0
        print(f"taken over after {took:.2f} s")
    finally:
        frozen.kill()
        frozen.wait()
        frozen.stdin.close()
        frozen.stdout.close()


async def test_topics_of_unequal_counts_are_refused_for_a_group(kafka_url: str) -> None:
    one, other = fresh(1, 4)[0], fresh(1, 2)[0]
    await create(kafka_url, one, other)
    async with opened(lambda: _plain_bus(kafka_url), [one, other]) as bus:
        with pytest.raises(ValueError, match="different numbers of partitions"):
            bus.subscribe(GROUP, [one.name, other.name], Collector())
        with pytest.raises(ValueError, match="shares its partitions"):
            bus.subscribe(GROUP, [one.name], Collector(), partitions=[1])


async def _until_committed(group: Group, wanted: dict[tuple[str, int], int]) -> None:
    async with asyncio.timeout(15):
        while True:
            found = await group.committed()
            if {at: found.get(at, -1) for at in wanted} == wanted:
                return
            await asyncio.sleep(0.05)


async def _plain_bus(url: str) -> Bus:
    from parlance.bus_kafka import KafkaBus

    bus = KafkaBus(url, prefix=f"{uuid.uuid4().hex[:8]}.")
    await bus.start()
    return bus


def _process(group: Group, names: list[str]) -> Any:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.kafka_member", group.url, group.prefix, GROUP, *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["libs", ".", os.environ.get("PYTHONPATH", "")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _lines_until(process: Any, word: str) -> list[str]:
    lines = []
    while (line := process.stdout.readline().strip()) != word:
        assert line, "the member ended"
        lines.append(line)
    return lines
