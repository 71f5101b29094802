"""Settings of services in processes of their own."""

from pathlib import Path

import pytest

from parlance import config
from parlance.errors import InvalidRequest


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN", "LLM_ADDRESS", "GATEWAY_ADDRESS", "TLS", "GATEWAY_SLOT", "HTTP_LISTEN", "GRPC_PORT"):
        monkeypatch.delenv(f"PARLANCE_{name}", raising=False)


def test_services_find_each_other_on_one_machine_without_settings() -> None:
    loaded = config.load()
    assert loaded.addresses["Llm"] == "127.0.0.1:50054" and loaded.addresses["Tts"] == "127.0.0.1:50056"
    assert loaded.gateways == loaded.address == "127.0.0.1:50051"


def test_replicas_are_listed_and_a_client_is_told_all_gateways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLANCE_LLM_ADDRESS", "one:50054, two:50054")
    monkeypatch.setenv("PARLANCE_GATEWAY_ADDRESS", "one:50051,[::1]:50051")
    monkeypatch.setenv("PARLANCE_HTTP_LISTEN", "0.0.0.0:8081")
    monkeypatch.setenv("PARLANCE_GATEWAY_SLOT", "3")
    loaded = config.load()
    assert loaded.addresses["Llm"] == "one:50054,two:50054"
    assert loaded.gateways == "one:50051,[::1]:50051"
    assert (loaded.http_host, loaded.http_port, loaded.gateway_slot) == ("0.0.0.0", 8081, 3)


def test_a_port_of_its_own_is_where_a_client_looks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLANCE_GRPC_PORT", "6000")
    assert config.load().gateways == config.load().address == "127.0.0.1:6000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARLANCE_LISTEN", "50054"),
        ("PARLANCE_LISTEN", "host:70000"),
        ("PARLANCE_LLM_ADDRESS", "one:50054,two"),
        ("PARLANCE_GATEWAY_SLOT", "4"),
        ("PARLANCE_GATEWAY_SLOT", "one"),
        ("PARLANCE_TLS", "/no/such/folder"),
        ("PARLANCE_CATALOGUE", "/no/such/file.yaml"),
        ("PARLANCE_START_WAIT_S", "a minute"),
        ("PARLANCE_START_WAIT_S", "-1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest, match=name):
        config.load()


def test_a_folder_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLANCE_TLS", str(tmp_path))
    assert config.load().tls == tmp_path
