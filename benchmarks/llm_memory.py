"""Resident memory of the llm process over many streamed answers.

Each answer is kept by its call id until its turn's deadline has passed (30 s, as turns have it, and 5 s more), so that
it can be given again. So memory is looked at when all that was kept is let go: after the first tenth of the answers and
after all of them. What it holds at most while it is busy is told beside it. Events are made into bytes and dropped: a
journal in this process would fill its page caches meanwhile (20 MB by its settings).
"""

import asyncio
from typing import Any

from benchmarks import report
from benchmarks.llm_asker import DEADLINE_S
from benchmarks.llm_scene import Scene, tell
from benchmarks.llm_wire import VENDORS, Order
from benchmarks.process import resident_mb
from benchmarks.report import verdict

GROWTH_MB = 5.0
_LANES = 4
_LET_GO_S = DEADLINE_S + 60.0


async def measure(scene: Scene, answers: int) -> dict[str, Any]:
    await scene.llm.ask(events="list")
    pid, steps = scene.llm.pid, 10
    busy, kept = [resident_mb(pid)], [0]
    for n in range(steps):
        await _block(scene, n, answers // steps)
        busy.append(resident_mb(pid))
        kept.append((await scene.llm.ask())["kept"])
        tell(f"memory: {(n + 1) * answers // steps} of {answers}: {busy[-1]:.1f} MB, {kept[-1]} answers kept")
        if n == 0:
            first = await _at_rest(scene)
    last = await _at_rest(scene)
    return {
        "answers": answers,
        "after_the_first": answers // steps,
        "first_mb": first,
        "last_mb": last,
        "growth_mb": last - first,
        "busy_mb": busy,
        "kept_answers": kept,
        "tasks": (await scene.llm.ask())["tasks"],
    }


async def _block(scene: Scene, n: int, count: int) -> None:
    """The vendors one after the other, for a route holds for all lanes."""
    for vendor in VENDORS:
        await scene.asker.route(f"{vendor}:good")
        async with asyncio.TaskGroup() as group:
            for _ in range(_LANES):
                group.create_task(_lane(scene, n, -(-count // _LANES // len(VENDORS))))


async def _lane(scene: Scene, n: int, count: int) -> None:
    for k in range(count):
        await scene.asker.ask(Order(seed=n * 1000 + k + 1))


async def _at_rest(scene: Scene) -> float:
    """Once nothing is kept any more."""
    until = asyncio.get_running_loop().time() + _LET_GO_S
    while (await scene.llm.ask())["kept"] and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(1)
    return resident_mb(scene.llm.pid)


def show(told: dict[str, Any]) -> None:
    rows = [[f"after {told['after_the_first']}, at rest", told["first_mb"], 0]]
    rows += [[f"after {told['answers']}, at rest", told["last_mb"], 0]]
    rows += [
        [f"busy, after {n}/10", mb, kept]
        for n, (mb, kept) in enumerate(zip(told["busy_mb"], told["kept_answers"], strict=True))
    ]
    report.table("Resident memory of the llm process", ("", "MB", "answers kept"), rows)


def goals(told: dict[str, Any]) -> list[list[Any]]:
    growth = told["growth_mb"]
    return [["memory, growth after the first tenth, MB", growth, f"<= {GROWTH_MB}", verdict(growth, GROWTH_MB)]]
