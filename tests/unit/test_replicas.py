"""Which replica is asked."""

import pytest

from parlance.replicas import Replicas

THREE = "one:1,two:2,three:3"


async def test_a_session_is_asked_of_one_replica_and_sessions_are_spread() -> None:
    replicas = Replicas({"Llm": THREE})
    firsts = [replicas.ranked("Llm", f"session {n}")[0] for n in range(300)]
    assert firsts == [Replicas({"Llm": THREE}).ranked("Llm", f"session {n}")[0] for n in range(300)]
    assert min(firsts.count(address) for address in THREE.split(",")) > 60


async def test_a_replica_that_is_gone_moves_its_own_sessions_alone() -> None:
    before, after = Replicas({"Llm": THREE}), Replicas({"Llm": "one:1,three:3"})
    for n in range(100):
        first = before.ranked("Llm", f"session {n}")[0]
        if first != "two:2":
            assert after.ranked("Llm", f"session {n}")[0] == first


async def test_one_that_did_not_answer_is_asked_last_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = Replicas({"Llm": THREE})
    first, second, third = replicas.ranked("Llm", "s")
    replicas.silent(first)
    assert replicas.ranked("Llm", "s") == [second, third, first]


async def test_a_service_without_an_address_has_no_replica() -> None:
    assert Replicas({"Llm": ""}).ranked("Llm", "s") == [] == Replicas({}).ranked("Tts", "s")
