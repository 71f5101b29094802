"""What tests of every kind share: one Kafka broker a run, for those that need it."""

import os
from collections.abc import Iterator

import pytest

from tests import kafka_broker


def pytest_report_header() -> str:
    return kafka_broker.told()


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running broker's address, such as kafka://127.0.0.1:19092. Skips where there can be none."""
    own = tmp_path_factory.getbasetemp()
    run = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with kafka_broker.shared(run / "kafka") as url:
        yield url
