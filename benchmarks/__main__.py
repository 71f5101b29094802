"""Measures Parlance: prints tables, and writes benchmarks/results/<name>.json with the machine that gave the numbers.

`python -m benchmarks` runs all; `python -m benchmarks overhead bargein` those; `python -m benchmarks.overhead --help`
tells the options of one. Each runs in a process of its own. Numbers hold for a machine that does nothing else.
"""

import argparse
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

NAMES = (
    *("overhead", "latency", "bargein", "footprint", "soak", "journal_hops"),
    *("turn_cost", "ledger", "overload", "replay_send", "kafka_turn", "kafka_profile", "cold_start", "llm"),
)


def main() -> int:
    told = "\n".join(
        f"  {name:13} {(import_module(f'benchmarks.{name}').__doc__ or '').splitlines()[0]}" for name in NAMES
    )
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"benchmarks:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument("names", nargs="*", metavar="NAME", help="which; all where none is named")
    names = arguments.parse_args().names or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        arguments.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    return max([_run(name) for name in names])


def _run(name: str) -> int:
    # gRPC's C core would complain whenever one of them starts another process.
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"}
    words = [sys.executable, "-m", f"benchmarks.{name}"]
    return subprocess.run(words, cwd=Path(__file__).parents[1], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
