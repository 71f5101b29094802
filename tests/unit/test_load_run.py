"""How a run is shared among processes, and what is left of one that was stopped."""

import pytest

from parlance.load_job import Job, Row
from parlance.load_result import Result
from parlance.load_run import Plan, Run
from parlance.v1.replay_pb2 import ReplayTurn

TURNS = [
    ReplayTurn(
        at_us=n * 100_000,
        session=f"talker-{n % 7}",
        text=f"question {n}",
        interrupt_after_us=n % 2 * 50_000,
        as_of_us=n + 1,
        person=f"p{n % 7}",
    )
    for n in range(50)
]


def _jobs(result: Result, speed: float | None = 10.0, processes: int = 3) -> list[Job]:
    return Run(Plan("127.0.0.1:1", "run-1", speed, processes), result, lambda _: None)._jobs(TURNS)


def test_every_turn_is_sent_once_and_a_session_by_one_process() -> None:
    jobs = _jobs(Result({}))
    sessions = [name for job in jobs for name in job.sessions]
    assert len(jobs) == 3 and len(sessions) == len(set(sessions)) == 7
    planned = [(name, turn) for job in jobs for name, turns in job.sessions.items() for turn in turns]
    assert sorted(turn.n for _, turn in planned) == list(range(50))
    for name, turn in planned:
        assert (name, turn.text) == (TURNS[turn.n].session, TURNS[turn.n].text)
        assert (turn.as_of_us, turn.person) == (turn.n + 1, TURNS[turn.n].person)
        assert turn.due == pytest.approx(turn.n * 0.01) and turn.interrupt_after == turn.n % 2 * 0.005
    for job in jobs:
        assert all([t.n for t in turns] == sorted(t.n for t in turns) for turns in job.sessions.values())
        assert Job.of(job.as_json()) == job


def test_what_is_left_begins_at_once_and_under_names_of_its_own() -> None:
    done = [Row(n, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "answered", "") for n in range(20)]
    left = [t for job in _jobs(Result({}, done, took_s=9.0, stretches=1)) for ts in job.sessions.values() for t in ts]
    assert sorted(t.n for t in left) == list(range(20, 50))
    assert min(t.due for t in left if t.due is not None) == 0.0
    first = {t.name for job in _jobs(Result({})) for ts in job.sessions.values() for t in ts}
    assert not first & {t.name for t in left}


def test_as_fast_as_possible_has_no_moments() -> None:
    assert {t.due for job in _jobs(Result({}), speed=None) for ts in job.sessions.values() for t in ts} == {None}
