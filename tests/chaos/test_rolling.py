"""Every service is restarted under load, one process after the other, also from the version before: no turn fails."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.chaos.judge import judge, what_was_told_is_true
from tests.chaos.rolling import failed, story, under_load
from tests.chaos.run import Plan, Result, settle, talking
from tests.chaos.stack import LIMIT_S, Stack, replicas, stack
from tests.processes import SERVICES

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
TWICE = replicas(("gateway", "speech", "intent", "llm", "tts"))


async def _right(running: Stack, result: Result, away: dict[str, float]) -> None:
    """No turn failed, and what is left is as the contract has it."""
    await settle(running, result)
    found = failed(running, result.talkers, away)
    assert not found, "\n".join([*found, story(result)])
    assert running.problems == []
    assert judge(result.evidence) == []
    assert list(what_was_told_is_true(result.evidence, result.talkers)) == []


@pytest.mark.timeout(600)
async def test_a_rolling_restart_of_every_service_fails_no_turn(tmp_path: Path) -> None:
    """Two of each; of those whose rows are a file, one, for which the others wait."""
    async with asyncio.timeout(LIMIT_S), stack(tmp_path, TWICE) as running, talking(running, 4) as talkers:
        result = Result(Plan(0), talkers)
        names = [name for service in SERVICES for name, p in running.processes.all.items() if p.service == service]
        away = await under_load(running, talkers, [(name, None) for name in names])
        await _right(running, result, away)


def _before(folder: Path) -> Path:
    """The checkout as it was before its protos last changed. Skips where there is none that can run one service."""
    last = _git("log", "-1", "--format=%H", "--", "protos")
    before = _git("rev-parse", "--verify", "--quiet", f"{last}~1") if last else ""
    if not before or not _git("ls-tree", before, "services/dialogue/__main__.py"):
        pytest.skip("there is no version before this one whose services run by themselves (a shallow clone?)")
    folder.mkdir()
    packed = subprocess.run(["git", "archive", before], cwd=ROOT, capture_output=True, check=True, timeout=60)
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True, timeout=60)
    return folder


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


@pytest.mark.timeout(600)
async def test_services_of_the_version_before_are_replaced_under_load_and_no_turn_fails(tmp_path: Path) -> None:
    """Whoever asks comes before whom it asks, so that it waits for what is being replaced: the gateways, which are new
    from the start (what a device takes up again elsewhere, both of them must know of), then dialogue, then the rest."""
    old = _before(tmp_path / "before")
    names = ["dialogue", *(name for name in SERVICES if name not in ("gateway", "dialogue", "ledger"))]
    mixed = stack(tmp_path / "run", {"gateway": 2}, dict.fromkeys(names, old))
    async with asyncio.timeout(LIMIT_S), mixed as running, talking(running, 4) as talkers:
        result = Result(Plan(0), talkers)
        away = await under_load(running, talkers, [(name, ROOT) for name in names])
        await _right(running, result, away)
