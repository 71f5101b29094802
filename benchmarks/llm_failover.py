"""Failover before the first token: how long after the deadline that was set the next target's first word comes."""

from typing import Any

from benchmarks import report
from benchmarks.llm_scene import Scene, tell
from benchmarks.llm_wire import VENDORS, Order
from benchmarks.report import p50, p99, verdict

GAP_MS = 300.0
# What the route gives the first target to its first token; one that fails at once needs none of it.
DEADLINE_MS = 150
_DEADLINES = {"stall": DEADLINE_MS, "fail": 0}


async def measure(scene: Scene, tries: int) -> dict[str, Any]:
    gaps: dict[str, list[float]] = {kind: [] for kind in _DEADLINES}
    whole = 0
    for vendor in VENDORS:  # its SDK is loaded when it is first used
        await scene.asker.route(f"{vendor}:good")
        await scene.asker.ask(Order())
    for n in range(tries):
        kind = tuple(_DEADLINES)[n % len(_DEADLINES)]
        first, then = VENDORS[n // 2 % len(VENDORS)], VENDORS[(n // 2 + 1 + n // 8 % 3) % len(VENDORS)]
        await scene.asker.route(f"{first}:{kind}", f"{then}:good", first_ms=DEADLINE_MS)
        heard = await scene.asker.ask(Order())
        gaps[kind].append(heard.first_ms - _DEADLINES[kind])
        whole += heard.finished and heard.providers == [f"{first}:{kind}", f"{then}:good"]
        if n % 50 == 0:
            tell(f"failover: {n} of {tries}")
    return {
        "tries": tries,
        "answered_by_the_next": whole,
        "kinds": {k: {"p50_ms": p50(found), "p99_ms": p99(found), "max_ms": max(found)} for k, found in gaps.items()},
    }


def show(told: dict[str, Any]) -> None:
    rows = [[kind, *one.values()] for kind, one in told["kinds"].items()]
    title = f"To the next one's first word, beyond the deadline of {DEADLINE_MS} ms where it was waited for (ms)"
    report.table(title, (f"{told['tries']} failovers", "p50", "p99", "longest"), rows)


def goals(told: dict[str, Any]) -> list[list[Any]]:
    longest = max(one["max_ms"] for one in told["kinds"].values())
    missing = told["tries"] - told["answered_by_the_next"]
    return [
        ["failover, longest gap, ms", longest, f"<= {GAP_MS}", verdict(longest, GAP_MS)],
        ["failover, not answered by the next", missing, "0", verdict(missing, 0)],
    ]
