"""Whatever dies around a question to the user, it is asked once and answered once."""

from unittest import mock

import pytest

from parlance.v1.state_pb2 import Persona
from services.dialogue.wording import may_i_ask
from tests.simulation import consent, scenarios
from tests.simulation.directed import Script, quiet

QUESTION = may_i_ask("ChatGPT", Persona())
NOTHING = "There is nothing to confirm right now."


@pytest.mark.parametrize(
    ("script", "questions", "refusals"),
    [
        (consent.dies_with_the_question, 1, 0),
        (consent.dies_with_the_answer, 1, 0),
        (consent.two_say_yes, 1, 1),
        (consent.too_soon, 2, 0),
    ],
)
def test_a_question_is_asked_and_answered_once(script: Script, questions: int, refusals: int) -> None:
    run, verdict = quiet(script)
    assert not verdict.problems
    said = consent.said(run)
    assert (said.count(QUESTION), said.count(NOTHING)) == (questions, refusals)
    answers = {clause.split()[1] for clause in said if clause.startswith("Answer")}
    assert len(answers) == 1, "the model was begun once"


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_whatever_dies_the_turn_contract_holds_where_users_are_asked(first: int) -> None:
    problems, answered, asked = [], 0, 0
    with consent.asking() as allowed, mock.patch.object(scenarios, "SAYS", ("chat", "yes", "yes", "yes", "note")):
        for seed in range(first, first + 20):
            run, verdict = scenarios.judged(seed)
            problems += [f"seed {seed}: {problem}" for problem in verdict.problems]
            asked += consent.said(run).count(QUESTION)
            answered += len(allowed)
            allowed.clear()
    assert not problems, "\n".join(problems)
    assert asked > 20 and answered > 0, (asked, answered)
