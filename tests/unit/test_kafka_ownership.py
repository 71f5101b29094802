"""Ownerships over generations of a group, and the commit that a rebalance overtakes."""

import asyncio
from typing import Any

import pytest

from parlance.kafka_ownership import Membership, Ownerships, uneven

A, B = ("t", 0), ("t", 1)


def test_what_is_held_in_the_next_generation_too_keeps_its_ownership() -> None:
    member = Membership(Ownerships())
    assert member.assigned("m", 1, [A, B]) == {A, B}
    assert member.assigned("m", 2, [A]) == set()
    assert member.held == {A: 1} and member.owns(A, 1) and not member.owns(B, 1)
    assert member.assigned("m", 3, [A, B]) == {B}
    assert member.held == {A: 1, B: 2} and not member.owns(B, 1)


@pytest.mark.parametrize(("name", "generation"), [("m", 3), ("other", 2), ("m", 1)])
def test_a_generation_missed_or_another_member_id_is_a_new_ownership(name: str, generation: int) -> None:
    """Somebody else may have held it in between."""
    member = Membership(Ownerships())
    member.assigned("m", 1, [A])
    assert member.assigned(name, generation, [A]) == {A}
    assert member.held == {A: 2}


def test_counts_go_on_in_the_next_subscription_and_the_first_ones_are_void() -> None:
    counts = Ownerships()
    first, second = Membership(counts), Membership(counts)
    first.assigned("m", 1, [A])
    second.assigned("n", 1, [A])
    assert second.held == {A: 2} and not first.owns(A, 1) and second.owns(A, 2)


def test_partitions_are_even_where_the_same_numbers_of_all_topics_are_held() -> None:
    assert not uneven(["t", "u"], [("t", 0), ("u", 0)])
    assert not uneven(["t", "u"], [])
    assert uneven(["t", "u"], [("t", 0), ("u", 1)])
    assert uneven(["t", "u"], [("t", 0)])


class SlowCommits:
    """A consumer whose first commit gets no answer, as over a lost connection."""

    def __init__(self) -> None:
        self.asked: list[dict[Any, int]] = []
        self.taken: list[dict[Any, int]] = []
        self.answers = asyncio.Event()

    async def commit(self, offsets: dict[Any, int]) -> None:
        self.asked.append(offsets)
        await self.answers.wait()
        self.taken.append(offsets)


async def test_a_commit_that_a_rebalance_overtakes_is_given_up_and_made_again_only_for_what_stayed() -> None:
    """Left to itself the client would repeat it with its next generation, also for what it has lost."""
    pytest.importorskip("aiokafka")
    from parlance.kafka_commits import Commits

    member = Membership(Ownerships())
    commits, client = Commits(member), SlowCommits()
    member.assigned("m", 1, [A, B])
    commits.assigned(client)
    commits.add(A, 5, 1)
    commits.add(B, 7, 1)
    writing = asyncio.get_running_loop().create_task(commits.write())
    await asyncio.sleep(0.01)
    commits.revoked()
    await asyncio.wait_for(writing, 5)
    assert len(client.asked) == 1 and client.taken == []
    member.assigned("m", 2, [A])
    commits.assigned(client)
    client.answers.set()
    await commits.write()
    assert [{(at.topic, at.partition): n for at, n in offsets.items()} for offsets in client.taken] == [{A: 5}]
