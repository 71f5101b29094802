"""Barge-in: how soon after Llm.Cancel the upstream sees that its connection has ended."""

import asyncio
import random
from typing import Any

from benchmarks import report
from benchmarks.llm_asker import made_call
from benchmarks.llm_scene import Scene, tell
from benchmarks.llm_wire import VENDORS, Order
from benchmarks.report import p50, p99, verdict

P50_MS, P99_MS = 10.0, 30.0
# A token each 5 ms, for longer than anybody listens; it is cancelled somewhere in the first 40 ms of it.
_GAP_US, _TOKENS, _WITHIN_S = 5000, 5000, 0.04
_SETTLES_S = 5.0


async def measure(scene: Scene, tries: int) -> dict[str, Any]:
    chance, moments = random.Random(1), dict[str, int]()
    vendors: dict[str, list[str]] = {vendor: [] for vendor in VENDORS}
    for n in range(tries):
        vendor = VENDORS[n * len(VENDORS) // tries]
        if not vendors[vendor]:
            await scene.asker.route(f"{vendor}:good")
            tell(f"cancel: {n} of {tries}, {vendor}")
        order = Order(id=f"try{n}", n=_TOKENS, gap_us=_GAP_US)
        moments[order.id] = await scene.asker.cancelled(order, made_call(), chance.uniform(0, _WITHIN_S))
        vendors[vendor].append(order.id)
    closed, left = await _closed(scene, tries)
    late = {id_: (closed[id_] - moment) / 1e6 for id_, moment in moments.items() if id_ in closed}
    return {
        "tries": tries,
        "p50_ms": p50(list(late.values())),
        "p99_ms": p99(list(late.values())),
        "max_ms": max(late.values()),
        "left_open": left,
        "vendors": {
            vendor: {"p50_ms": p50([late[i] for i in ids]), "p99_ms": p99([late[i] for i in ids])}
            for vendor, ids in vendors.items()
            if ids
        },
    }


async def _closed(scene: Scene, tries: int) -> tuple[dict[str, int], int]:
    """When each ended; and how many never did."""
    found: dict[str, int] = {}
    until = asyncio.get_running_loop().time() + _SETTLES_S
    while True:
        told = await scene.upstream.ask()
        found |= told["closed"]
        if len(found) >= tries or asyncio.get_running_loop().time() > until:
            return found, max(told["open"], tries - len(found))
        await asyncio.sleep(0.05)


def show(told: dict[str, Any]) -> None:
    rows = [[vendor, one["p50_ms"], one["p99_ms"]] for vendor, one in told["vendors"].items()]
    rows.append([f"all {told['tries']}", told["p50_ms"], told["p99_ms"]])
    report.table("From the cancel to the end of the upstream's connection (ms)", ("", "p50", "p99"), rows)


def goals(told: dict[str, Any]) -> list[list[Any]]:
    return [
        ["barge-in, p50 ms", told["p50_ms"], f"<= {P50_MS}", verdict(told["p50_ms"], P50_MS)],
        ["barge-in, p99 ms", told["p99_ms"], f"<= {P99_MS}", verdict(told["p99_ms"], P99_MS)],
        ["barge-in, left open", told["left_open"], "0", verdict(told["left_open"], 0)],
    ]
