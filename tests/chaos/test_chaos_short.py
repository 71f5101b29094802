"""A minute of chaos: one fault of each kind that matters most, a few kill points."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.faults import Fault
from tests.chaos.kill_points import WAYS, judged, walk
from tests.chaos.run import Plan
from tests.chaos.stack import LIMIT_S, stack
from tests.chaos.whole import run

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SEED = 20
FAULTS = [
    Fault("kill", "dialogue", 1.0, 0.2),
    Fault("kafka cut", "", 1.0, 0.1),
    Fault("kill", "actions", 1.0, 0.2),
    Fault("rpc partition", "actions", 1.0, 2.0),
    Fault("kill", "gateway", 1.0, 0.2),
    Fault("broker kill", "", 1.0, 0.5),
]


@pytest.mark.timeout(600)
async def test_after_a_minute_of_faults_every_turn_has_one_true_end(tmp_path: Path) -> None:
    plan = Plan(SEED, turns=40, seconds=25.0, sessions=5, faults=FAULTS, counts={"gateway": 2}, measure=False)
    async with asyncio.timeout(LIMIT_S):
        result = await run(plan, tmp_path)
    print(report.table(result))
    assert result.problems == []
    assert [o.fault for o in result.outages] == FAULTS and result.outcomes["answered"] >= 15


@pytest.mark.timeout(600)
async def test_where_a_process_dies_in_a_turn_its_end_comes_once_and_its_effect_once(tmp_path: Path) -> None:
    """A handful of points; all of them: python -m tests.chaos.kill_points."""
    async with asyncio.timeout(LIMIT_S), stack(tmp_path, {}) as running:
        made = await walk(running, WAYS["dialogue"], [4, 12, 20, 28])
        made += await walk(running, WAYS["actions"], [2, 4, 6])
        made += await walk(running, WAYS["fired"], [2, 10])
        assert all(point.name for point in made), "each is a point of the way"
        assert [problem for point in made for problem in point.problems] == []
        assert await judged(running) == []
