"""The services in processes of their own, as many of each as a test wants, on a broker of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import kafka_broker
from tests.e2e.conftest import ROOT, Platform
from tests.kafka_broker import Broker
from tests.ports import free_port

SERVICES = ("ledger", "context", "actions", "llm", "tts", "speech", "intent", "dialogue", "gateway")
READY_S = 60.0


@dataclass
class Process:
    """One replica. `name`: "llm", or "llm2" for the second one. `root`: the checkout that it runs from."""

    name: str
    service: str
    port: int
    log_file: Path
    env: dict[str, str]
    popen: "subprocess.Popen[bytes] | None" = None
    root: Path = ROOT
    _log_from: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has printed since it was last started; what its earlier lives printed stands before that."""
        return self.log_file.read_bytes()[self._log_from :].decode() if self.log_file.exists() else ""

    @property
    def runs(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def start(self, words: Sequence[str] = ()) -> None:
        """`words`: what Python runs instead of the service."""
        with self.log_file.open("ab") as log:
            self._log_from = log.tell()
            self.popen = subprocess.Popen(
                [sys.executable, *(words or ("-m", f"services.{self.service}"))],
                env={**self.env, "PYTHONPATH": os.pathsep.join([str(self.root / "libs"), str(self.root)])},
                cwd=self.root,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, within_s: float = READY_S) -> float:
        """Seconds waited."""
        began = time.monotonic()
        while f"{self.service} is ready" not in self.log:
            if not self.runs or time.monotonic() - began > within_s:
                raise AssertionError(f"{self.name} is not ready: {self.log}")
            time.sleep(0.02)
        return time.monotonic() - began

    def signal(self, number: int) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.popen is not None
        self.popen.wait()

    def end(self, within_s: float = 30.0) -> int:
        """SIGTERM, as an orchestrator ends it; the exit code."""
        self.signal(signal.SIGTERM)
        assert self.popen is not None
        return self.popen.wait(within_s)


@dataclass
class Processes:
    """`counts`: how many of a service, where it is not one. `extra`: settings of all of them. `via`: the port at which
    the others find what listens on a port, where something stands between them."""

    folder: Path
    broker_url: str
    counts: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    all: dict[str, Process] = field(default_factory=dict)
    via: Callable[[int], int] = int

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        ports = {service: [free_port() for _ in range(self.counts.get(service, 1))] for service in SERVICES}
        self.addresses = {s: ",".join(f"127.0.0.1:{self.via(port)}" for port in found) for s, found in ports.items()}
        for service, found in ports.items():
            for n, port in enumerate(found):
                name = service if n == 0 else f"{service}{n + 1}"
                self.all[name] = Process(name, service, port, self.folder / f"{name}.log", self._env(port, n))

    def __getitem__(self, name: str) -> Process:
        return self.all[name]

    def client(self) -> Platform:
        """The command line beside it, which knows all gateways."""
        made = Platform(self.home, extra={**self._common(), "PARLANCE_GRPC_PORT": str(self["gateway"].port)})
        made.grpc_port = self["gateway"].port
        return made

    def start(self) -> None:
        for process in self.all.values():
            process.start()
        for process in self.all.values():
            process.wait_ready()

    def end(self) -> None:
        for process in self.all.values():
            if process.runs:
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGTERM)
        for process in self.all.values():
            if process.popen is not None:
                try:
                    process.popen.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _common(self) -> dict[str, str]:
        return {
            "PARLANCE_BUS": self.broker_url,
            "PARLANCE_HOME": str(self.home),
            "PARLANCE_TIME_ZONE": "Europe/Madrid",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "libs"), str(ROOT)]),
            **{f"PARLANCE_{service.upper()}_ADDRESS": given for service, given in self.addresses.items()},
            **self.extra,
        }

    def _env(self, port: int, n: int) -> dict[str, str]:
        return {
            **os.environ,
            **self._common(),
            "PARLANCE_LISTEN": f"127.0.0.1:{port}",
            "PARLANCE_GATEWAY_SLOT": str(n),
            "PARLANCE_HTTP_PORT": str(free_port()),
        }


@contextmanager
def processes(
    folder: Path, counts: Mapping[str, int] | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[tuple[Processes, Broker]]:
    """Everything, ready, on a broker of its own; skips where there can be none."""
    broker = kafka_broker.broker(folder / "broker")
    broker.start()
    made = Processes(folder, broker.url, counts or {}, extra or {})
    try:
        applied = made.client().cli("topics", "apply")
        assert applied.returncode == 0, applied.stderr
        made.start()
        yield made, broker
    finally:
        made.end()
        broker.forget()
