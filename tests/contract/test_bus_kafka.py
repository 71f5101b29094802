"""The bus's contract over a real Kafka broker."""

import pytest

from parlance.events import TopicInfo
from tests.contract.bus_suite import BusSuite
from tests.contract.bus_suite_tools import OpenBus
from tests.contract.kafka_tools import create, fresh, opener

pytestmark = pytest.mark.kafka


class TestKafka(BusSuite):
    @pytest.fixture
    async def topics(self, kafka_url: str) -> tuple[TopicInfo, ...]:
        made = fresh()
        await create(kafka_url, *made)
        return made

    @pytest.fixture
    def open_bus(self, kafka_url: str) -> OpenBus:
        return opener(kafka_url)
