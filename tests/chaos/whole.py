"""A whole run, from nothing to a verdict."""

from pathlib import Path

from tests.chaos.letters import replayed
from tests.chaos.measures import measured
from tests.chaos.run import Plan, Result, load, settle, talking, verdict
from tests.chaos.stack import stack


async def run(plan: Plan, folder: Path) -> Result:
    """Everything is gone at the end but `folder`: what the processes printed, the rows, the keys."""
    result = Result(plan)
    async with stack(folder, plan.counts) as running:
        plan.tell(f"seed {plan.seed}: {len(running.processes.all)} processes are ready")
        async with talking(running, plan.sessions) as result.talkers:
            if plan.measure:
                await measured(running, result)
                plan.tell(", ".join(f"{name} {value:.3f}" for name, value in result.measured.items()))
            await load(running, plan, result)
            await settle(running, result)
            if plan.poison:
                await replayed(running, result)
        await verdict(running, result)
    return result
