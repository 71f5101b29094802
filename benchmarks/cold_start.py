"""How long each service takes from exec to ready, alone on a broker with TLS, and what memory it then has.

python -m benchmarks.cold_start [--rounds N] [NAME ...]

Each container's process is started by itself, with certificates, rows in PostgreSQL where its container has them, and
bytecode that is there already, as in the image; it is ended before the next one starts. Files are in the page cache.
CPU is what /proc says, so it holds on a busy machine too. Needs Java and Maven for the broker, and PostgreSQL for the
ledger's app (without it, rows are in SQLite).
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.process import ROOT, cpu_s, resident_mb
from tests import postgres_server
from tests.contract.kafka_rights import secured
from tests.processes import SERVICES, Process, Processes

APP = "ledger-app"
NAMES = (*SERVICES, APP)
READY_S = 3.0
_WITH_DATABASE = ("actions", "context", "dialogue", "ledger", APP)
_WITHIN_S = 120.0
_SETTLE_S = 2.0


@contextmanager
def _stack(folder: Path) -> Iterator[Processes]:
    """Where the services can start: the broker has topics and rights, the database is empty; nothing runs yet."""
    with ExitStack() as stack:
        url = stack.enter_context(secured(folder))
        tls = str(folder / "tls")
        # What is compiled is kept here, not beside the sources: the first round makes it.
        extra = {"PARLANCE_TLS": tls, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
        made = Processes(folder, url, {}, extra)
        done = made.client().cli("topics", "apply", "--access", ROOT / "infra/access.yaml", "--as", "kafka")
        if done.returncode:
            raise RuntimeError(f"the topics were not made: {done.stderr}")
        if postgres_server.kind():
            database = stack.enter_context(postgres_server.shared(folder / "postgres"))
            for name in _WITH_DATABASE[:-1]:
                made[name].env["PARLANCE_DATABASE"] = stack.enter_context(postgres_server.database(database))
            made.all[APP] = _app(made["ledger"], folder)
        yield made


def _app(ledger: Process, folder: Path) -> Process:
    """The process that reads the log for ledger. It says nothing when it is ready: its loop touches a file."""
    alive = folder / "alive"
    alive.mkdir()
    return Process(APP, "ledger", 0, folder / f"{APP}.log", {**ledger.env, "TMPDIR": str(alive)})


def _wait_ready(process: Process) -> None:
    if process.name != APP:
        process.wait_ready(_WITHIN_S)
        return
    file, until = Path(process.env["TMPDIR"], "parlance-ledger-app"), time.monotonic() + _WITHIN_S
    while not file.exists():
        if not process.runs or time.monotonic() > until:
            raise RuntimeError(f"{APP} is not ready: {process.log}")
        time.sleep(0.02)
    file.unlink()


def _once(process: Process) -> dict[str, float]:
    began = time.monotonic()
    process.start(("-m", "services.ledger.faust_app") if process.name == APP else ())
    try:
        _wait_ready(process)
        assert process.popen is not None
        told = {"ready_s": time.monotonic() - began, "cpu_s": cpu_s(process.popen.pid)}
        time.sleep(_SETTLE_S)
        return told | {"resident_mb": resident_mb(process.popen.pid)}
    finally:
        if process.runs:
            process.end()


def measure(names: Sequence[str], rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _stack(Path(folder)) as stack:
        known = [name for name in names if name in stack.all]
        found: dict[str, list[dict[str, float]]] = {name: [] for name in known}
        for n in range(rounds + 1):
            print(f"round {n} of {rounds}{' (compiles, not counted)' if not n else ''}", file=sys.stderr)
            for name in known:
                told = _once(stack[name])
                print(f"  {name}: ready after {told['ready_s']:.2f} s", file=sys.stderr)
                if n:  # the round before the first compiles
                    found[name].append(told)
    return {
        "rounds": rounds,
        "goal_ready_s": READY_S,
        "rows": "PostgreSQL" if APP in stack.all else "SQLite",
        "services": {
            name: {key: statistics.median(one[key] for one in each) for key in each[0]}
            | {"ready_s_each": [one["ready_s"] for one in each]}
            for name, each in found.items()
        },
    }


def show(numbers: dict[str, Any]) -> None:
    rows = [
        [name, told["ready_s"], report.verdict(told["ready_s"], READY_S), told["cpu_s"], told["resident_mb"]]
        for name, told in numbers["services"].items()
    ]
    title = f"From exec to ready, one at a time, TLS; the median of {numbers['rounds']} rounds"
    report.table(title, ["", "ready after, s", f"<= {READY_S:g} s", "of these CPU, s", "resident MB"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; all where none is named"
    )
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    if unknown := sorted(set(words.names) - set(NAMES)):
        parser.error(f"no service {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    if not (shutil.which("java") and shutil.which("mvn")):
        print("cold_start needs a Kafka broker with certificates: Java and Maven; left out")
        return
    numbers = measure(words.names or NAMES, words.rounds)
    show(numbers)
    if set(words.names) in (set(), set(NAMES)):
        report.save("cold_start", numbers)


if __name__ == "__main__":
    main()
