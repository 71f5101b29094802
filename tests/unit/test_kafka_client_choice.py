"""Which client carries the records of Kafka."""

import sys

import pytest

from parlance.bus_choice import kafka_kind
from parlance.config import load
from parlance.errors import InvalidRequest


def test_aiokafka_carries_them_unless_something_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiokafka")
    monkeypatch.delenv("PARLANCE_KAFKA_CLIENT", raising=False)
    assert kafka_kind(load().kafka_client).__name__ == "KafkaBus"


def test_librdkafka_does_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("confluent_kafka")
    monkeypatch.setenv("PARLANCE_KAFKA_CLIENT", "librdkafka")
    assert kafka_kind(load().kafka_client).__name__ == "RdKafkaBus"


def test_where_its_package_is_missing_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiokafka")
    for name in [m for m in sys.modules if m.startswith(("parlance.kafka_rd", "parlance.bus_kafka_rd"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(InvalidRequest, match="pip install confluent-kafka"):
        kafka_kind("librdkafka")


def test_any_other_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLANCE_KAFKA_CLIENT", "pykafka")
    with pytest.raises(InvalidRequest, match="PARLANCE_KAFKA_CLIENT is one of aiokafka, librdkafka, not 'pykafka'"):
        load()
