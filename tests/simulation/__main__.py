"""`python -m tests.simulation --seeds 1000`: prints every seed that breaks the turn contract, and how."""

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.simulation.directed import interruptions, quiet
from tests.simulation.judge import Verdict
from tests.simulation.rules import RULES, faults_without, switched_off
from tests.simulation.scenarios import judged

_TRIALS = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--off", choices=sorted(RULES), default="", help="a rule of the contract to switch off")
    parser.add_argument("--interruptions", type=int, default=0, help="that many interruptions instead, without faults")
    words = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if words.interruptions:
        return told(_interrupted(words.interruptions))
    seeds = range(words.first, words.first + words.seeds) if words.seed is None else [words.seed]
    return told(_lived(seeds, words.off))


def _lived(seeds: Iterable[int], off: str) -> Iterator[tuple[int, Verdict]]:
    for seed in seeds:
        with switched_off(off):
            yield seed, judged(seed, faults_without(off))[1]


def _interrupted(trials: int) -> Iterator[tuple[int, Verdict]]:
    for seed in range(-(-trials // _TRIALS)):
        count = min(_TRIALS, trials - seed * _TRIALS)
        yield seed, quiet(interruptions(count), seed, embedded=seed % 2 == 0)[1]


def told(verdicts: Iterator[tuple[int, Verdict]]) -> int:
    """Prints what is wrong as it is found; 1 where anything is."""
    seeds = broken = 0
    counts = Counter[str]()
    for seed, verdict in verdicts:
        seeds += 1
        broken += bool(verdict.problems)
        counts += verdict.counts
        for problem in verdict.problems:
            print(f"seed {seed}: {problem}", flush=True)
    ends = ", ".join(f"{n} {name.removeprefix('OUTCOME_').lower()}" for name, n in counts.most_common())
    print(f"{broken} of {seeds} seeds break the contract; {ends}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
