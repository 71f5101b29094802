"""Every rule of the turn contract is needed: switched off, a seed or a directed scenario goes red."""

import re

import pytest

from tests.simulation import consent, directed
from tests.simulation.rules import RULES, faults_without, switched_off
from tests.simulation.scenarios import judged

# A rule, a seed that breaks without it, and how. The next seeds are tried too, for a change of the code gives each
# seed another life.
SEEDED = [
    ("derived_ids", 0, r"\d ends|lost or repeated"),
    ("settle", 0, r"the end says SETTLEMENT_REFUSED of what is SETTLEMENT_DONE"),
    ("cancel_now", 0, r"was said after the interruption"),
    ("join", 0, r"mixed|run again"),
    ("speaking_mark", 162, r"mixed"),
    ("act_once", 18, r"done \d times"),
    ("acks_before_close", 0, r"lost or repeated|answered without words"),
    ("inputs", 0, r"run again"),
]
# A rule, a scenario, and how its turns end: with the rule, without it.
DIRECTED = [
    ("any_event_opens", directed.intent_comes_first, {"answered": 1}, {"failed": 1}),
    ("durable_turns", directed.sound_is_lost, {"failed": 1}, {}),
    ("snapshot", directed.state_changes_under_a_turn, {"answered": 2}, {"answered": 1, "failed": 1}),
    ("fenced_offsets", directed.late_commit, {"answered": 1}, {"failed": 1}),
    ("taking_over", directed.dialogue_is_given_a_session, {"answered": 2}, {"answered": 1, "failed": 1}),
    ("roll_call", directed.dialogue_alone_starts_anew, {"answered": 2}, {"answered": 1, "failed": 1}),
]
# A rule, a scenario, and what is wrong without it.
JUDGED = [
    ("acts_named", directed.act_before_its_row, r"SETTLEMENT_REFUSED of what is SETTLEMENT_DONE"),
    ("question_once", consent.two_say_yes, "2 turns answer 1 questions"),
    ("heard_kept", directed.heard_before_it_began, r"remembers 'Answer .* although '' was heard"),
]
_TRIED = 40


def test_every_rule_is_tried() -> None:
    assert {*(r[0] for r in SEEDED), *(r[0] for r in DIRECTED), *(r[0] for r in JUDGED)} == set(RULES)


@pytest.mark.parametrize(("rule", "first", "how"), SEEDED)
def test_without_the_rule_a_seed_breaks(rule: str, first: int, how: str) -> None:
    found: list[str] = []
    with switched_off(rule):
        for seed in range(first, first + _TRIED):
            found += judged(seed, faults_without(rule))[1].problems
            if any(re.search(how, problem) for problem in found):
                return
    pytest.fail(f"{_TRIED} seeds do not show that {rule} is needed: {RULES[rule]}; they show {found[:3]}")


@pytest.mark.parametrize(("rule", "script", "with_it", "without"), DIRECTED)
def test_without_the_rule_a_turn_ends_otherwise(
    rule: str, script: directed.Script, with_it: dict[str, int], without: dict[str, int]
) -> None:
    assert _ends(script) == with_it
    with switched_off(rule):
        assert _ends(script, fenced=rule != "fenced_offsets") == without


def _ends(script: directed.Script, *, fenced: bool = True) -> dict[str, int]:
    counts = directed.quiet(script, fenced=fenced)[1].counts
    prefix = "OUTCOME_"
    return {name.removeprefix(prefix).lower(): n for name, n in counts.items() if name.startswith(prefix)}


@pytest.mark.parametrize(("rule", "script", "how"), JUDGED)
def test_without_the_rule_a_scenario_breaks(rule: str, script: directed.Script, how: str) -> None:
    assert not directed.quiet(script)[1].problems
    with switched_off(rule):
        problems = directed.quiet(script)[1].problems
    assert any(re.search(how, problem) for problem in problems)
