"""The bus's contract over a real Kafka broker, alone, behind an outbox, and beside PostgreSQL."""

import uuid
from pathlib import Path

import pytest

from parlance.events import TopicInfo
from tests.contract.bus_suite import BusSuite
from tests.contract.bus_suite_tools import OpenBus
from tests.contract.kafka_tools import create, fresh, opener

pytestmark = pytest.mark.kafka


class KafkaSuite(BusSuite):
    @pytest.fixture
    async def topics(self, kafka_url: str) -> tuple[TopicInfo, ...]:
        made = fresh()
        await create(kafka_url, *made)
        return made


class TestKafka(KafkaSuite):
    @pytest.fixture
    def open_bus(self, kafka_url: str) -> OpenBus:
        return opener(kafka_url)


class TestKafkaByLibrdkafka(KafkaSuite):
    @pytest.fixture
    def open_bus(self, kafka_url: str) -> OpenBus:
        pytest.importorskip("confluent_kafka")
        from parlance.bus_kafka_rd import RdKafkaBus

        return opener(kafka_url, RdKafkaBus)


class TestKafkaBehindAnOutbox(KafkaSuite):
    @pytest.fixture
    def open_bus(self, kafka_url: str, tmp_path: Path) -> OpenBus:
        from parlance.bus_kafka import KafkaBus
        from parlance.bus_outbox import OutboxBus

        prefix = f"{uuid.uuid4().hex[:8]}."

        async def open_bus() -> OutboxBus:
            bus = OutboxBus(tmp_path / "rows.db", KafkaBus(kafka_url, prefix=prefix))
            await bus.start()
            return bus

        return open_bus


@pytest.mark.postgres
class TestKafkaBesidePostgres(KafkaSuite):
    @pytest.fixture
    def open_bus(self, kafka_url: str, database_url: str) -> OpenBus:
        pytest.importorskip("psycopg")
        from parlance import postgres_address
        from parlance.bus_kafka import KafkaBus
        from parlance.bus_relayed import RelayedBus
        from parlance.postgres_database import Database

        prefix = f"{uuid.uuid4().hex[:8]}."

        async def open_bus() -> RelayedBus:
            bus = RelayedBus(Database(postgres_address.parse(database_url)), KafkaBus(kafka_url, prefix=prefix))
            await bus.start()
            return bus

        return open_bus
