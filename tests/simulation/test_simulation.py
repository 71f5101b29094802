"""The real code against the turn contract: random lives full of faults, by seed."""

import hashlib

import pytest

from tests.simulation.directed import interruptions, quiet
from tests.simulation.scenarios import judged

SEEDS = 200
_PER_TEST = 20


@pytest.mark.parametrize("first", range(0, SEEDS, _PER_TEST))
def test_whatever_dies_the_turn_contract_holds(first: int) -> None:
    problems, turns, unsure = [], 0, 0
    for seed in range(first, first + _PER_TEST):
        _, verdict = judged(seed)
        problems += [f"seed {seed}: {problem}" for problem in verdict.problems]
        turns += verdict.counts["turns"]
        unsure += verdict.counts["not verifiable"]
    assert not problems, "\n".join([*problems, "again: python -m tests.simulation --seed SEED"])
    assert turns > 10 * _PER_TEST
    assert unsure < turns / 10, "too few turns can be run again for the comparison to say much"


def test_a_seed_gives_the_same_life_every_time() -> None:
    assert _digest(3) == _digest(3)


def _digest(seed: int) -> str:
    """Of everything but the nonces of the encryption."""
    run, _ = judged(seed)
    seen = hashlib.sha256()
    for place, log in sorted(run.world.log.items()):
        for written in log:
            seen.update(f"{place} {written.asked_at} {written.record.ts_us} {len(written.record.value)}".encode())
    return seen.hexdigest()


@pytest.mark.parametrize("embedded", [True, False])
def test_nothing_of_an_interrupted_turn_arrives_after_its_silence(embedded: bool) -> None:
    run, verdict = quiet(interruptions(150), seed=2, embedded=embedded)
    assert not verdict.problems, "\n".join(verdict.problems)
    sent = [message.WhichOneof("message") for got in run.clients[0].connections for message in got]
    assert sent.count("silence") >= 150
    assert sent.count("audio") >= 50
