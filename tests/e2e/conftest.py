"""The platform as a user starts it: a process of its own, a fresh home, free ports."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
READY_S = 60


@dataclass
class Platform:
    """`start` and `end` it as often as a test likes; the home stays."""

    home: Path
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    extra: dict[str, str] = field(default_factory=dict)
    # What it prints; None: beside the home.
    log_file: Path | None = None

    def __post_init__(self) -> None:
        self.log_file = self.log_file or self.home.parent / "run.log"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PARLANCE_HOME": str(self.home),
            "PARLANCE_GRPC_PORT": str(self.grpc_port),
            "PARLANCE_HTTP_PORT": str(self.http_port),
            "PARLANCE_TIME_ZONE": "Europe/Madrid",
            "PARLANCE_CATALOGUE": str(ROOT / "tests/e2e/catalogue.yaml"),
            "COLUMNS": "200",
            **self.extra,
        }

    @property
    def log(self) -> str:
        assert self.log_file is not None
        return self.log_file.read_text()

    def start(self) -> float:
        """Returns the seconds until it was ready."""
        began = time.monotonic()
        assert self.log_file is not None
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "parlance.cli", "run"],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while "ready" not in self.log:
            if self.process.poll() is not None or time.monotonic() - began > READY_S:
                raise AssertionError(f"not ready: {self.log}")
            time.sleep(0.02)
        return time.monotonic() - began

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def cli(self, *words: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "parlance.cli", *map(str, words)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def json(self, *words: str | Path, code: int = 0, timeout: float = 90) -> Any:
        done = self.cli(*words, "--json", timeout=timeout)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One running platform for a test file."""
    made = Platform(tmp_path_factory.mktemp("platform") / "home")
    made.start()
    yield made
    made.end()


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform of one test, not started yet; what still runs at the end is killed."""
    made = Platform(tmp_path / "home")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
