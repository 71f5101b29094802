"""The stack of docker-compose.yml, whole: built, spoken to, hurt, and gone again. `make stack-test` runs it."""

import json
import os
import re
import signal
import subprocess
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.emulators.settings import TEXT
from parlance.config import PORTS
from tests.e2e.conftest import ROOT, Platform
from tests.e2e.spoken import AUDIO

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

_UP_S = 300
_SPOKEN = AUDIO / "what-is-seven-times-twelve.wav"
_EMULATED = ("llm", "compatible:emulated", "--set", "base_url=http://model-emulator:8000/v1")
_TRY = "import socket; socket.create_connection(('{}', {}), 2)"


class Stack:
    """The stack under a project name of its own, at free ports, with volumes of its own, and an emulated vendor."""

    def __init__(self, home: Path) -> None:
        self.door = Platform(home, extra={"COMPOSE_PROFILES": "cloud-emulators"})
        self.project = f"parlance-test-{os.getpid()}"

    def compose(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = ["docker", "compose", "--project-name", self.project, *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.door.environment, capture_output=True, text=True, timeout=600, check=check
        )

    def inspect(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "--quiet", service).stdout.strip()
        done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found

    def address(self, service: str) -> str:
        """Of its container, on the first of its networks."""
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def run(self, service: str, code: str) -> "subprocess.CompletedProcess[str]":
        return self.compose("exec", "--no-TTY", service, "python", "-c", code, check=False)

    def kill(self, service: str) -> None:
        """kill -9, from outside: for Docker a death, after which it starts the container again."""
        try:
            os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)
        except PermissionError:
            pytest.skip("only root may kill a container's process from outside")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack") / "home")
    try:
        built = made.compose("build", check=False)
        assert built.returncode == 0, built.stderr[-4000:]
        up = made.compose("up", "--detach", "--wait", "--wait-timeout", str(_UP_S), check=False)
        assert up.returncode == 0, up.stderr[-2000:] + made.compose("logs", "--tail", "20").stdout
        made.compose("cp", "secrets:/handed/operator", str(made.door.home.parent))
        made.door.extra["PARLANCE_TLS"] = str(made.door.home.parent / "operator")
        yield made
    finally:
        for _ in range(6):  # on a busy machine a network may still be in use
            done = made.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
            if done.returncode == 0:
                break
            time.sleep(2)
        assert done.returncode == 0, done.stderr[-2000:]


def test_a_recording_is_heard_and_answered_aloud(stack: Stack, tmp_path: Path) -> None:
    said = stack.door.json("say", _SPOKEN, "--out", tmp_path / "reply.wav")
    assert said["outcome"] == "answered" and said["intent"] == "calc.evaluate"
    assert re.search(r"7 times 12|seven times twelve", said["transcript"].lower())
    assert "84" in said["reply"]
    heard = stack.door.json("say", tmp_path / "reply.wav")["transcript"].lower()
    assert re.search(r"\b84\b|eighty[ -]four", heard), "what was spoken is heard back as what was written"


def test_a_question_in_text_is_answered_and_told_stage_by_stage(stack: Stack) -> None:
    asked = stack.door.json("ask", "what time is it in Tokyo")
    assert asked["outcome"] == "answered" and "Tokyo" in asked["reply"]
    told = stack.door.json("turn", asked["turn_id"])
    assert {"gateway", "intent", "dialogue", "actions", "tts"} <= {s["name"] for s in told["stages"]}
    assert stack.door.json("stats")["turns"] >= 1


def test_an_open_question_is_answered_by_the_emulated_vendor_and_its_refusal_is_told(
    stack: Stack, tmp_path: Path
) -> None:
    assert stack.door.cli("routes", "set", *_EMULATED).returncode == 0
    try:
        asked = stack.door.json("ask", "why is the sky blue", "--out", tmp_path / "reply.wav")
        refused = stack.door.json("ask", "please emulate a refusal", code=1)
        again = stack.door.json("ask", "who invented the bicycle")
    finally:
        assert stack.door.cli("routes", "set", "llm", "unconfigured:").returncode == 0
    assert asked["outcome"] == again["outcome"] == "answered" and asked["reply"] == again["reply"] == TEXT
    assert refused["outcome"] == "failed" and "busy" in refused["reply"]
    with wave.open(str(tmp_path / "reply.wav")) as sound:
        assert sound.getnframes() / sound.getframerate() > 2.0, "it was spoken too"
    assert {"llm", "tts"} <= {s["name"] for s in stack.door.json("turn", asked["turn_id"])["stages"]}
    assert TEXT not in stack.door.json("ask", "why is the sky blue")["reply"], "the route is the old one again"


def test_the_emulated_vendor_is_reached_by_llm_alone_and_reaches_nobody_else(stack: Stack) -> None:
    reaching = _TRY.format(stack.address("model-emulator"), 8000)
    reached = {service for service in PORTS if stack.run(service, reaching).returncode == 0}
    assert reached == {"llm"}
    broker = stack.address("kafka")
    assert stack.run("llm", _TRY.format(broker, 9092)).returncode == 0
    assert stack.run("model-emulator", _TRY.format(broker, 9092)).returncode != 0
    assert stack.run("model-emulator", _TRY.format(_resolver(), 53)).returncode != 0


def test_what_is_asked_while_dialogue_is_dead_is_answered_when_it_is_back(stack: Stack) -> None:
    stack.kill("dialogue")
    assert "7" in stack.door.json("ask", "what is three plus four")["reply"]
    _until_back(stack, "dialogue")


def test_an_effect_outlives_the_service_that_made_it(stack: Stack) -> None:
    assert stack.door.json("ask", "put green tea on my shopping list")["outcome"] == "answered"
    stack.kill("actions")
    _until_back(stack, "actions")
    assert stack.door.json("ask", "what is on my shopping list")["reply"].count("green tea") == 1


def _until_back(stack: Stack, service: str) -> None:
    until = time.monotonic() + 60
    while (made := stack.inspect(service))["RestartCount"] == 0 or made["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < until, stack.compose("logs", "--tail", "20", service).stdout
        time.sleep(0.5)


def test_every_service_tells_its_numbers_inside_the_stack(stack: Stack) -> None:
    asked = "import urllib.request as r; print(r.urlopen('http://{}:9464/metrics', timeout=5).read().decode())"
    told = {name: stack.run("gateway", asked.format(name)).stdout for name in PORTS}
    assert all("parlance_bus_failed 0.0" in text for text in told.values()), told
    assert re.search(r'parlance_turns_total{outcome="answered",reason=""} [1-9]', told["dialogue"])
    assert 'parlance_handler_seconds_count{stage="intent"}' in told["intent"]
    assert 'parlance_call_seconds_count{method="Actions.Run"}' in told["actions"]


@pytest.mark.parametrize("service", [*PORTS, "model-emulator"])
def test_a_running_container_is_as_tight_as_written(stack: Stack, service: str) -> None:
    made = stack.inspect(service)
    host = made["HostConfig"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0 and host["PidsLimit"] > 0 and not made["State"]["OOMKilled"]
    tried = stack.run(
        service,
        "import os; print(os.getuid(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])\n"
        "try: open('/app/new', 'w')\nexcept OSError as exc: print(exc.errno)",
    )
    assert tried.stdout.split() == ["10001", "0" * 16, "30"], "no root, no capability, no writable root"


def test_only_the_doors_are_open_and_the_broker_is_not_among_them(stack: Stack) -> None:
    for name in ("kafka", "postgres", "dialogue"):
        assert not stack.inspect(name)["HostConfig"]["PortBindings"]
    bound = stack.inspect("gateway")["HostConfig"]["PortBindings"]
    assert {b["HostIp"] for bindings in bound.values() for b in bindings} == {"127.0.0.1"}


def test_the_gateway_has_no_way_out(stack: Stack) -> None:
    """Tried on this machine's own resolver, which `actions` can reach: an address on the other side of the bridge."""
    resolver = _resolver()
    if stack.run("actions", _TRY.format(resolver, 53)).returncode != 0:
        pytest.skip("nothing outside can be reached from here, so nothing can be seen to be out of reach")
    for service in ("gateway", "dialogue", "intent", "context", "ledger"):
        assert stack.run(service, _TRY.format(resolver, 53)).returncode != 0, service


def _resolver() -> str:
    found = re.search(r"^nameserver\s+(\d+\.\d+\.\d+\.\d+)", Path("/etc/resolv.conf").read_text(), re.M)
    return found[1] if found else "192.0.2.1"
