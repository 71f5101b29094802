"""The broker of the Kafka tests: in Docker (Testcontainers) where there is Docker, else from Maven, else none."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "infra/local/kafka.sh"


class Broker(Protocol):
    url: str

    def start(self) -> None:
        """Returns when it answers; its data is what it was."""

    def kill(self) -> None: ...

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def forget(self) -> None:
        """Ends it, and its data with it."""


@cache
def kind() -> str:
    """ "docker", "maven", or "" where there is neither."""
    if has_docker():
        return "docker"
    return "maven" if shutil.which("java") and shutil.which("mvn") else ""


@cache
def has_docker() -> bool:
    """Whether a Docker daemon answers, and Testcontainers is there to ask it. PARLANCE_TEST_DOCKER=no: as if not."""
    if os.environ.get("PARLANCE_TEST_DOCKER") == "no" or not shutil.which("docker") or not _has_testcontainers():
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30).returncode == 0


def told() -> str:
    """For the head of a test run."""
    return {
        "docker": "Kafka: in Docker (Testcontainers)",
        "maven": "Kafka: from Maven artifacts (no Docker here, or not chosen)",
        "": "Kafka: none (no Docker, and not both Java and Maven); its tests are skipped",
    }[kind()]


def broker(folder: Path, port: int = 0, advertised: int = 0) -> Broker:
    """Not started yet. Skips the test where there is none, and says what is missing. `advertised`: the port that
    clients are told, where something stands between them and the broker."""
    if not _has_aiokafka():
        pytest.skip("needs aiokafka; type: make setup-dev")
    match kind():
        case "docker":
            from tests.kafka_docker import DockerBroker

            return DockerBroker(port or free_port(), advertised)
        case "maven":
            fetched = subprocess.run([SCRIPT, "jars"], capture_output=True, text=True, check=False, timeout=110)
            if fetched.returncode:
                pytest.skip(fetched.stderr.strip())
            return MavenBroker(folder, port or free_port(), advertised)
        case _:
            pytest.skip("needs a Kafka broker: Docker, or Java and Maven")


@contextmanager
def own(folder: Path) -> Iterator[str]:
    """The address of one that lives as long as the block."""
    made = broker(folder)
    made.start()
    try:
        yield made.url
    finally:
        made.forget()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class MavenBroker:
    def __init__(self, folder: Path, port: int, advertised: int = 0) -> None:
        self.url = f"kafka://127.0.0.1:{advertised or port}"
        self._folder, self._port = folder, port
        told = {"KAFKA_PORT": str(port), "KAFKA_ADVERTISED": str(advertised or port), "KAFKA_DATA": str(folder)}
        self._env = {**os.environ, **told}

    def start(self) -> None:
        self._run("start")

    def kill(self) -> None:
        pid = self._pid
        os.kill(pid, signal.SIGKILL)
        while (proc := Path(f"/proc/{pid}/stat")).exists() and " Z " not in proc.read_text():
            time.sleep(0.01)
        while answers(self._port):  # other threads of the process die after the first one, and its sockets with them
            time.sleep(0.01)

    def runs(self) -> bool:
        """A broker whose disk is full ends by itself."""
        stat = Path(f"/proc/{self._pid}/stat")
        return stat.exists() and " Z " not in stat.read_text()

    def freeze(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def forget(self) -> None:
        self._run("forget")

    @property
    def _pid(self) -> int:
        return int((self._folder / "pid").read_text())

    def _run(self, what: str) -> None:
        done = subprocess.run([SCRIPT, what], env=self._env, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stderr


def _has_testcontainers() -> bool:
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    try:
        import testcontainers.core.container  # noqa: F401
    except ImportError:
        return False
    return True


def _has_aiokafka() -> bool:
    try:
        import aiokafka  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    """The url of one broker for all processes of a test run: the first starts it, the last one ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("w") as users, (folder / "starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        at = folder / "port"
        port = int(at.read_text()) if at.exists() else 0
        made = broker(folder / "broker", port)
        if not port:
            at.write_text(made.url.rpartition(":")[2])
            made.start()
        fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield made.url
        finally:
            end(made, starting, users, at)


def end(made: Any, starting: Any, users: Any, at: Path) -> None:
    """Forgets it where nobody else uses it any more."""
    fcntl.flock(starting, fcntl.LOCK_EX)
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    made.forget()
    at.unlink()
