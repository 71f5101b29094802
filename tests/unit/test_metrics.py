"""What Prometheus is told, and that without it nothing is counted."""

import asyncio
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from parlance import metrics
from parlance.errors import Unavailable
from parlance.rpc import Call
from parlance.rpc_grpc import GrpcCarrier
from parlance.rpc_server import GrpcServer
from parlance.v1.gateway_service_pb2 import ConverseRequest, ConverseResponse
from parlance.v1.turn_pb2 import Header
from services.dialogue import turns
from services.dialogue.turns import Turns
from tests.contract.rpc_services import Llm, answers, ask, texts
from tests.unit.stage_scene import Scene


@pytest.fixture
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with metrics.served(f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


def told(address: str) -> dict[str, float]:
    """Value by name and labels, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_a_stage_tells_how_long_it_handled_an_event(address: str) -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t1", "0.2")
        await asyncio.sleep(1)

    Scene().play(script)
    assert told(address)['parlance_handler_seconds_count{stage="intent"}'] == 1


async def test_a_server_tells_how_long_it_answered(address: str) -> None:
    llm = Llm()
    llm.behave = answers("one", "two")
    server = GrpcServer({"Llm": llm}, "127.0.0.1:0")
    await server.start()
    carrier = GrpcCarrier({"Llm": f"127.0.0.1:{server.port}"})
    assert await texts(ask(carrier)) == ["one", "two"]
    await carrier.stop()
    await server.stop()
    found = await asyncio.to_thread(told, address)
    assert found['parlance_call_seconds_count{method="Llm.Answer"}'] == 1


def test_turns_are_counted_by_how_they_ended(address: str) -> None:
    for outcome, reason in (("answered", ""), ("answered", ""), ("failed", "deadline")):
        metrics.ended(outcome, reason)
    found = told(address)
    assert found['parlance_turns_total{outcome="answered",reason=""}'] == 2
    assert found['parlance_turns_total{outcome="failed",reason="deadline"}'] == 1


def test_an_end_that_has_not_come_yet_is_told_as_none(address: str) -> None:
    """The first failure of a kind would be no rise otherwise, and show in no rate."""
    metrics.ends([("failed", "error")])
    assert told(address)['parlance_turns_total{outcome="failed",reason="error"}'] == 0
    metrics.ended("failed", "error")
    metrics.ends([("failed", "error")])
    assert told(address)['parlance_turns_total{outcome="failed",reason="error"}'] == 1


def test_dialogue_tells_of_every_way_in_which_a_turn_can_end_before_one_has(address: str) -> None:
    nothing: Any = None
    Turns(nothing, nothing, nothing)
    known = {key for key in told(address) if key.startswith("parlance_turns_total")}
    written = "".join(file.read_text() for file in Path(turns.__file__).parent.glob("*.py"))
    ways = set(re.findall(r"OUTCOME_(\w+), (?:Reason\.)?REASON_(\w+)", written))
    assert {("FAILED", "ERROR"), ("FAILED", "DEADLINE"), ("CANCELLED", "INTERRUPTED")} <= ways
    for outcome, reason in ways:
        shown = "" if reason == "UNSPECIFIED" else reason.lower()
        assert f'parlance_turns_total{{outcome="{outcome.lower()}",reason="{shown}"}}' in known


async def test_a_conversation_is_no_slow_call(address: str) -> None:
    class Gateway:
        async def converse(self, requests: Any, call: Call) -> AsyncGenerator[ConverseResponse, None]:
            async for _ in requests:
                yield ConverseResponse()

    async def asked() -> AsyncGenerator[ConverseRequest, None]:
        yield ConverseRequest()

    server = GrpcServer({"Gateway": Gateway()}, "127.0.0.1:0")
    await server.start()
    carrier = GrpcCarrier({"Gateway": f"127.0.0.1:{server.port}"})
    call = Call("", Header(), asyncio.get_running_loop().time() + 5)
    assert len([message async for message in carrier.ask("Gateway.Converse", asked(), call)]) == 1
    await carrier.stop()
    await server.stop()
    assert not [name for name in await asyncio.to_thread(told, address) if "Converse" in name]


class _Bus:
    failed = ""

    def unsent(self) -> int:
        return 3

    def lags(self) -> dict[str, int]:
        return {"dialogue": 7, "intent": 0}


def test_a_bus_tells_what_waits_and_whether_it_is_well(address: str) -> None:
    bus = _Bus()
    metrics.watch_bus(bus)
    found = told(address)
    assert found["parlance_bus_failed"] == 0 and found["parlance_bus_unsent"] == 3
    assert found['parlance_bus_lag{group="dialogue"}'] == 7
    bus.failed = "the broker does not answer"
    assert told(address)["parlance_bus_failed"] == 1


def test_a_number_is_told_by_who_named_it_last(address: str) -> None:
    metrics.gauge("parlance_open_sessions", "Open.", lambda: 1)
    metrics.gauge("parlance_open_sessions", "Open.", lambda: 5)
    assert told(address)["parlance_open_sessions"] == 5


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = pytest.raises(Unavailable, match=f"PARLANCE_METRICS: cannot listen on 127.0.0.1:{port}")
        with expected, metrics.served(f"127.0.0.1:{port}"):
            pass


def test_where_nobody_asks_nothing_is_counted_and_nothing_imported() -> None:
    code = (
        "import sys; from parlance import metrics\n"
        "with metrics.served(''):\n"
        "    metrics.ended('answered', ''); metrics.handling('x'); metrics.gauge('x', '', lambda: 1 / 0)\n"
        "print('prometheus_client' in sys.modules, metrics._numbers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "None"]


def test_every_number_of_the_dashboard_is_told(address: str) -> None:
    """What a panel asks for and nobody tells stays empty without a word."""
    from tests.contract.test_observability import asked_for

    metrics.ended("answered", "")
    with metrics.handling("dialogue"):
        time.sleep(0.01)
    metrics.called("Llm.Answer", 0.1)
    metrics.sounded("spoken", 0.4)
    metrics.attempted("scripted:echo", "first", "complete", 0.4)
    metrics.used("scripted:echo", {"input": 7}, 0.001)
    metrics.watch_bus(_Bus())
    for name in ("parlance_open_sessions", "parlance_open_turns"):
        metrics.gauge(name, "", lambda: 0)
    known = {re.split(r"[{ ]", key)[0] for key in told(address)}
    assert asked_for() <= known
