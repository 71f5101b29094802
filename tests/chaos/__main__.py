"""`make chaos SEED=1`: real processes on a real broker, faults by a seed, and a verdict.

Prints what it does, then a table; what broke the contract stands in it as BROKEN, with the seed. The report as JSON and
what the processes printed stay in .chaos/.
"""

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import time
from pathlib import Path

from _pytest.outcomes import Skipped

from tests.chaos import report
from tests.chaos.run import Plan, Result
from tests.chaos.whole import run

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=200.0, help="how long the asking is spread over")
    parser.add_argument("--sessions", type=int, default=10)
    words = parser.parse_args()
    logging.disable(logging.WARNING)
    folder = ROOT / ".chaos" / f"seed-{words.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    plan = Plan(words.seed, words.turns, words.seconds, words.sessions, tell=_tell)
    try:
        result = asyncio.run(_until_stopped(plan, folder))
    except Skipped as exc:
        print(f"chaos: {exc}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"stopped; seed {plan.seed}", file=sys.stderr)
        return 130
    except BaseException:
        print(f"chaos: broke off; seed {plan.seed}, logs in {folder}", file=sys.stderr)
        raise
    report.write(result, folder / "report.json")
    print(report.table(result))
    print(f"{folder / 'report.json'}")
    return 1 if result.problems else 0


async def _until_stopped(plan: Plan, folder: Path) -> Result:
    """SIGTERM cleans up as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(plan, folder)


_BEGAN = time.monotonic()


def _tell(text: str) -> None:
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
