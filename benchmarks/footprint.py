"""What a running platform takes, with all default models: seconds to start, resident memory, CPU while idle.

python -m benchmarks.footprint [--turns N] [--idle SECONDS]
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.asking import Asking
from benchmarks.process import Platform, cpu_s, resident_mb
from benchmarks.report import verdict
from parlance.client import Client

QUESTIONS = (
    "what time is it in Tokyo",
    "what is seven times twelve",
    "put milk on my shopping list",
    "what is on my shopping list",
    "how many feet are in two miles",
    "what is Anna's number",
    "when is my next meeting",
    "tell me something about whales",
)
SECOND_START_S, IDLE_PERCENT = 3.0, 2.0


async def _turns(address: str, count: int) -> None:
    async with Client(address) as client, Asking(client) as asking:
        for n in range(count):
            await asking.typed(QUESTIONS[n % len(QUESTIONS)])


def measure(turns: int, idle_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder) / "home")
        try:
            first_s = platform.start()
            platform.end()
            second_s = platform.start()
            at_start = resident_mb(platform.pid)
            asyncio.run(_turns(platform.address, turns))
            after = resident_mb(platform.pid)
            time.sleep(2.0)  # what the last turn left behind
            cpu, began = cpu_s(platform.pid), time.monotonic()
            time.sleep(idle_s)
            idle = (cpu_s(platform.pid) - cpu) / (time.monotonic() - began) * 100
        finally:
            platform.end()
    return {
        "first_start_s": first_s,
        "second_start_s": second_s,
        "resident_at_start_mb": at_start,
        "resident_after_turns_mb": after,
        "turns": turns,
        "idle_cpu_percent_of_a_core": idle,
        "idle_s": idle_s,
    }


def show(told: dict[str, Any]) -> None:
    second, idle = told["second_start_s"], told["idle_cpu_percent_of_a_core"]
    rows = [
        ["first start on an empty home, s", told["first_start_s"], "", ""],
        ["second start, s", second, f"<= {SECOND_START_S:g}", verdict(second, SECOND_START_S)],
        ["resident after the start, MB", told["resident_at_start_mb"], "", ""],
        [f"resident after {told['turns']} turns, MB", told["resident_after_turns_mb"], "", ""],
        ["CPU while idle, % of a core", idle, f"<= {IDLE_PERCENT:g}", verdict(idle, IDLE_PERCENT)],
    ]
    report.table("`parlance run` with all default models", ("", "measured", "goal", ""), rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--turns", type=int, default=50)
    arguments.add_argument("--idle", type=float, default=20.0, help="seconds")
    given = arguments.parse_args()
    told = measure(given.turns, given.idle)
    show(told)
    report.save("footprint", told)


if __name__ == "__main__":
    main()
