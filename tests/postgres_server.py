"""The PostgreSQL of the tests: in Docker (Testcontainers) where there is Docker, else Debian's binaries, else none."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests import kafka_broker
from tests.ports import free_port

IMAGE = "postgres:15"
USER, PASSWORD = "parlance", "parlance"
_DEBIAN = Path("/usr/lib/postgresql")


class Server(Protocol):
    """`url`: of its first database, with the password."""

    url: str

    def start(self) -> None: ...

    def stop(self) -> None:
        """At once, as a crash would; `start` recovers it."""

    def forget(self) -> None: ...


@cache
def kind() -> str:
    """ "docker", "debian", or "" where there is neither."""
    if kafka_broker.has_docker():
        return "docker"
    return "debian" if _binaries() is not None else ""


def told() -> str:
    """For the head of a test run."""
    return {
        "docker": f"PostgreSQL: {IMAGE} in Docker (Testcontainers)",
        "debian": f"PostgreSQL: {_binaries()}",
        "": "PostgreSQL: none (no Docker, no /usr/lib/postgresql); its tests are skipped",
    }[kind()]


def server(folder: Path, port: int = 0) -> Server:
    """Not started yet. Skips the test where there is none, and says what is missing."""
    pytest.importorskip("psycopg", reason="needs psycopg; type: make setup-dev")
    match kind():
        case "docker":
            return DockerServer(port or free_port())
        case "debian":
            return DebianServer(folder, port or free_port())
        case _:
            pytest.skip("needs PostgreSQL 15 or newer: Docker, or (Debian) apt-get install postgresql")


def _binaries() -> Path | None:
    found = [p for p in _DEBIAN.glob("*/bin") if (p / "initdb").exists() and int(p.parent.name) >= 15]
    return max(found, key=lambda p: int(p.parent.name), default=None)


class DebianServer:
    """Its data is in a folder of its own in /tmp: an unprivileged user must get there, and a socket's path is short."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
        self._port = port
        self._note = folder
        # The server refuses to run as root.
        self._as = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []

    @property
    def folder(self) -> Path:
        at = self._note / "data-is-in"
        if not at.exists():
            self._note.mkdir(parents=True, exist_ok=True)
            made = tempfile.mkdtemp(prefix="parlance-pg-")
            if self._as:
                shutil.chown(made, "nobody")
            at.write_text(made)
        return Path(at.read_text())

    def start(self) -> None:
        folder = self.folder
        if not (folder / "data").exists():
            secret = folder / "password"
            secret.write_text(PASSWORD)
            secret.chmod(0o644)
            self._run("initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-N")
        options = f"-p {self._port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=60"
        self._run("pg_ctl", "-D", folder / "data", "-w", "-t", "60", "-l", folder / "log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def forget(self) -> None:
        with contextlib.suppress(AssertionError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, *words: Any) -> None:
        binaries = _binaries()
        assert binaries is not None
        command = [*self._as, binaries / name, *words]
        # To a file: the server inherits what pg_ctl writes to, and a pipe would never end.
        with (self._note / "said").open("w+") as said:
            done = subprocess.run(command, cwd="/", stdout=said, stderr=said, check=False, timeout=90)
            said.seek(0)
            assert done.returncode == 0, said.read()


class DockerServer:
    def __init__(self, port: int) -> None:
        from testcontainers.community.postgres import PostgresContainer

        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
        self._started = False
        made = PostgresContainer(IMAGE, username=USER, password=PASSWORD, dbname="postgres", driver=None)
        self._container: Any = made.with_bind_ports(5432, port)

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
            self._until_it_answers()
        else:
            self._container.start()
        self._started = True

    def _until_it_answers(self) -> None:
        import time

        import psycopg

        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        self._container.get_wrapped_container().kill()

    def forget(self) -> None:
        self._container.stop()


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    """The url of one server for all processes of a test run: the first starts it, the last one ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    at = folder / "port"
    with (folder / "users").open("w") as users, (folder / "starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        port = int(at.read_text()) if at.exists() else 0
        made = server(folder, port)
        if not port:
            made.start()
            at.write_text(made.url.rpartition(":")[2].partition("/")[0])
        fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield made.url
        finally:
            kafka_broker.end(made, starting, users, at)


@contextmanager
def database(url: str) -> Iterator[str]:
    """The url of a new, empty database, gone afterwards."""
    import psycopg

    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield url.rpartition("/")[0] + f"/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
