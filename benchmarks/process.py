"""`parlance run` as a process of its own: start it, look at it, end it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
READY_S = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB


def cpu_s(pid: int) -> float:
    """CPU time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Platform:
    """On a home and free ports of its own, with all defaults."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ports = (_free_port(), _free_port())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def journal(self) -> Path:
        return self._home / "journal.db"

    def start(self) -> float:
        """Returns the seconds until it said that it was ready."""
        environment = {
            **os.environ,
            "PARLANCE_HOME": str(self._home),
            "PARLANCE_GRPC_PORT": str(self._ports[0]),
            "PARLANCE_HTTP_PORT": str(self._ports[1]),
            "PARLANCE_TIME_ZONE": "Europe/Madrid",
        }
        log = self._home.with_suffix(".log")
        began = time.monotonic()
        with log.open("w") as out:
            words = [sys.executable, "-m", "parlance.cli", "run"]
            self._process = subprocess.Popen(words, env=environment, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        while "ready" not in log.read_text():
            if self._process.poll() is not None or time.monotonic() - began > READY_S:
                self.end()
                raise RuntimeError(f"parlance run did not get ready:\n{log.read_text()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
