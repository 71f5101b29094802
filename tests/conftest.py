"""What tests of every kind share: one Kafka broker and one PostgreSQL a run, for those that need them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kafka_broker, postgres_server


def pytest_report_header() -> list[str]:
    return [kafka_broker.told(), postgres_server.told()]


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running broker's address, such as kafka://127.0.0.1:19092. Skips where there can be none."""
    with kafka_broker.shared(_of_the_run(tmp_path_factory) / "kafka") as url:
        yield url


@pytest.fixture(scope="module")
def own_kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a broker that this file alone uses: whoever runs the services on it is the one member of their groups."""
    with kafka_broker.own(tmp_path_factory.mktemp("own-kafka") / "broker") as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server's address, postgresql://USER:PASSWORD@HOST:PORT/postgres. Skips where there can be none."""
    with postgres_server.shared(_of_the_run(tmp_path_factory) / "postgres") as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database of this test's own."""
    with postgres_server.database(postgres_url) as url:
        yield url


def _of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
