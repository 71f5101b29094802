"""Which replica is asked."""

import asyncio
import socket
from typing import Any

import pytest

from parlance import replicas as replicas_module
from parlance.replicas import Replicas

THREE = "127.0.0.1:1,127.0.0.2:2,127.0.0.3:3"


async def test_a_session_is_asked_of_one_replica_and_sessions_are_spread() -> None:
    firsts = [await _first(Replicas({"Llm": THREE}), f"session {n}") for n in range(300)]
    assert firsts == [await _first(Replicas({"Llm": THREE}), f"session {n}") for n in range(300)]
    assert min(firsts.count(address) for address in THREE.split(",")) > 60


async def test_a_replica_that_is_gone_moves_its_own_sessions_alone() -> None:
    before, after = Replicas({"Llm": THREE}), Replicas({"Llm": "127.0.0.1:1,127.0.0.3:3"})
    for n in range(100):
        first = await _first(before, f"session {n}")
        if first != "127.0.0.2:2":
            assert await _first(after, f"session {n}") == first


async def test_one_that_did_not_answer_is_asked_last_for_a_while() -> None:
    replicas = Replicas({"Llm": THREE})
    first, second, third = await replicas.ranked("Llm", "s")
    replicas.silent(first)
    now = await replicas.ranked("Llm", "s")
    assert now == [second, third, first]
    assert [r.rank for r in now] == [1, 2, 0], "each keeps its place in the session's order"


async def test_a_service_without_an_address_has_no_replica() -> None:
    assert await Replicas({"Llm": ""}).ranked("Llm", "s") == [] == await Replicas({}).ranked("Tts", "s")


async def test_a_name_is_as_many_replicas_as_it_stands_for_and_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = ["10.0.0.1", "10.0.0.2"]

    async def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        assert host == "llm"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (pod, port)) for pod in pods]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up, raising=False)
    monkeypatch.setattr(replicas_module, "_RESOLVED_S", 0.0)
    replicas = Replicas({"Llm": "llm:50054"})
    found = await replicas.ranked("Llm", "s")
    assert sorted(r.address for r in found) == ["10.0.0.1:50054", "10.0.0.2:50054"] and found[0].host == "llm"
    pods.remove("10.0.0.1")
    await asyncio.sleep(0.001)
    assert [r.address for r in await replicas.ranked("Llm", "s")] == ["10.0.0.2:50054"]


async def test_a_name_that_is_not_known_stands_for_itself() -> None:
    found = await Replicas({"Llm": "no-such-host.invalid:50054"}).ranked("Llm", "s")
    assert [r.address for r in found] == ["no-such-host.invalid:50054"]


async def _first(replicas: Replicas, session: str) -> str:
    return (await replicas.ranked("Llm", session))[0].address
