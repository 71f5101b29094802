"""Fixtures of the contract tests."""

import pytest


@pytest.fixture(params=["aiokafka", "librdkafka"])
def each_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is done with either, in processes that it starts too."""
    from parlance.bus_choice import kafka_kind
    from parlance.bus_kafka import KafkaBus

    if request.param == "librdkafka":
        pytest.importorskip("confluent_kafka")
    kind = kafka_kind(request.param)
    monkeypatch.setattr(KafkaBus, "producer", staticmethod(kind.producer))
    monkeypatch.setattr(KafkaBus, "feed", staticmethod(kind.feed))
    monkeypatch.setenv("PARLANCE_KAFKA_CLIENT", request.param)
